// Opens a page at two origins and lets it call the gateway. Arguments: Chromium, address of the gateway, address of the page at
// the origin that is allowed, the same at another.
"use strict";
const { look } = require("./browser.js");

const [chromium, gateway, allowed, other] = process.argv.slice(2);

look(chromium, async (page) => {
  await page.goto(allowed);
  const seen = await page.evaluate((gateway) => tour(gateway), gateway);
  await page.goto(other);
  seen.other = await page.evaluate((gateway) => tour(gateway).catch(String), gateway);
  // A plain GET needs no leave to be sent; what it brings must stay unreadable all the same.
  seen.plain = await page.evaluate((gateway) => fetch(`${gateway}/health`).then((answer) => answer.text(), String), gateway);
  return seen;
});
