// Chromium as people have it, without what calls home and without any name but this machine's own. Prints what `look` saw as JSON.
"use strict";
const { chromium } = require("playwright-core");

const ARGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1",
];
const LIMIT = 20_000;

exports.look = async (executablePath, look) => {
  const browser = await chromium.launch({ executablePath, args: ARGS });
  try {
    const page = await browser.newPage({ viewport: { width: 1280, height: 1000 } });
    page.setDefaultTimeout(LIMIT);
    console.log(JSON.stringify(await look(page)));
  } finally {
    await browser.close();
  }
};
