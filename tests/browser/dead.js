// The station is gone: the page says so, and that the stop was not taken.
const { url, desk, check, until, browse, answer } = require("./lib.js");

browse(async (browser) => {
  await desk("state link-down");
  const page = await browser.newPage();
  await page.goto(`${url}/`);
  await desk("state printing");
  await until(async () => /Printing/.test(await page.textContent("h1")), "live before");
  await desk("die");
  await page.click("#stop-button");
  const told = async () => (await answer(page)).includes("NOT taken");
  await until(told, "the stop is told as not taken");
  check((await answer(page)).includes("Use the switch at the printer"), "and what to do");
  await until(() => page.isVisible("#stale"), "the band is shown", 45_000);
  const band = await page.textContent("#stale");
  check(!band.includes("still works"), "no promise that a dead station can not keep");
  check(band.includes("Use the switch at the printer"), "the band says what to do");
  check(await page.isVisible("#stop-button"), "the button stays");
});
