// Opens the page of an allowed origin and lets it call the example. Arguments: Chromium, address of the page, address of the
// gateway, protocol, tokens (JSON).
"use strict";
const { look } = require("../browser.js");

const [chromium, page, gateway, protocol, tokens] = process.argv.slice(2);

look(chromium, async (tab) => {
  await tab.goto(page);
  return tab.evaluate((args) => visit(...args), [gateway, protocol, JSON.parse(tokens)]);
});
