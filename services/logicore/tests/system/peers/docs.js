// Opens the docs page as a person does and tries a method. Arguments: Chromium, address of the gateway, file for a picture.
"use strict";
const { look } = require("./browser.js");

const [chromium, gateway, picture] = process.argv.slice(2);

look(chromium, async (page) => {
  const seen = { requests: [], problems: [] };
  page.on("request", (request) => seen.requests.push(request.url()));
  page.on("requestfailed", (request) => seen.problems.push(`${request.url()}: ${request.failure().errorText}`));
  page.on("response", (answer) => answer.status() < 400 || seen.problems.push(`${answer.url()}: ${answer.status()}`));
  page.on("pageerror", (error) => seen.problems.push(String(error)));
  page.on("console", (line) => ["error", "warning"].includes(line.type()) && seen.problems.push(line.text()));
  await page.addInitScript(() => {
    window.violations = [];
    addEventListener("securitypolicyviolation", (event) => violations.push(`${event.violatedDirective} ${event.blockedURI}`));
  });

  await page.goto(`${gateway}/`);
  seen.address = page.url();
  await page.waitForSelector(".opblock");
  seen.title = await page.title();
  seen.operations = await page.$$eval(".opblock-summary", (all) =>
    all.map((one) => `${one.querySelector(".opblock-summary-method").innerText} ${one.querySelector(".opblock-summary-path").dataset.path}`));
  await page.screenshot({ path: picture });

  seen.health = await execute(page, "get", "/health");
  seen.login = await execute(page, "post", "/auth/login");
  await page.screenshot({ path: picture.replace(".png", "-login.png") });
  seen.me = await execute(page, "get", "/auth/me");
  seen.violations = await page.evaluate(() => violations);
  return seen;
});

// Opens an operation, presses Execute, and reads the answer. Examples fill the body.
async function execute(page, method, path) {
  const operation = page.locator(`.opblock-${method}`, { has: page.locator(`[data-path="${path}"]`) });
  await operation.locator(".opblock-summary-control").click();
  await operation.locator("button.execute").click();
  const answer = operation.locator(".live-responses-table");
  const status = await answer.locator(".response-col_status").last().innerText();
  const body = await answer.locator(".microlight").first().innerText();
  return { status: status.trim(), body: JSON.parse(body) };
}
