// Stop from twelve tabs of one browser, from each of them; above the cancel dialog by mouse and by keyboard; in a
// browser without shared workers.
const { url, desk, check, until, browse, answer, confirmed } = require("./lib.js");

async function tabs(context, count) {
  const open = [];
  for (let n = 0; n < count; n += 1) {
    const page = await context.newPage();
    await page.goto(n % 3 ? `${url}/` : `${url}/jobs/K7-2043`, { timeout: 30_000 });
    open.push(page);
  }
  return open;
}

async function press(page, text) {
  const before = Number(await desk("stops"));
  await page.bringToFront();
  await page.click("#stop-button");
  await confirmed(page, text);
  check(Number(await desk("stops")) > before, `${text}: the desk has it`);
}

// A press that has no answer in 250 ms, as beside loaded cores, goes the second way as well.
async function once(before, text) {
  const sent = Number(await desk("stops")) - before;
  check(sent === 1 || sent === 2, `${text} (sent ${sent === 1 ? "one way" : `${sent} ways`})`);
}

browse(async (browser) => {
  await desk("state printing");
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 } });
  const open = await tabs(context, 12);
  await press(open.at(-1), "stop from the last of twelve tabs");
  await press(open[0], "stop from the first of twelve tabs");
  await desk("state printing");
  for (const [n, page] of open.entries()) {
    await until(async () => /printing/i.test(await page.textContent("h1")), `tab ${n + 1} is live`);
  }
  await context.close();

  // No shared workers: streams give way.
  const plain = await browser.newContext();
  await plain.addInitScript(() => delete globalThis.SharedWorker);
  const few = await tabs(plain, 8);
  await press(few.at(-1), "stop from the last of eight tabs without shared workers");
  await plain.close();

  await desk("state printing");
  const page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
  await page.goto(`${url}/`);
  await page.click("[data-open=cancel]");
  const box = await page.$eval("#stop-button", (e) => e.getBoundingClientRect().toJSON());
  let before = Number(await desk("stops"));
  await page.mouse.click(box.x + box.width / 2, box.y + box.height / 2);
  await confirmed(page, "stop by mouse with the dialog open");
  await once(before, "one press is one stop");
  await until(async () => !(await page.isVisible("dialog[open]")), "the dialog goes with the print");
  await desk("state printing");
  await until(() => page.isVisible("[data-open=cancel]"), "the print is shown again");
  await page.click("[data-open=cancel]");
  before = Number(await desk("stops"));
  let reached = false;
  for (let n = 0; n < 8 && !reached; n += 1) {
    await page.keyboard.press("Tab");
    reached = await page.evaluate(() => document.activeElement?.id === "stop-button");
  }
  check(reached, "the keyboard reaches stop from the dialog");
  await page.keyboard.press("Enter");
  await confirmed(page, "stop by keyboard with the dialog open");
  await once(before, "one key is one stop");
  check((await answer(page)).startsWith("Stopped."), "the answer says what is");

  // Without the script the button is a plain form.
  const bare = await browser.newContext({ javaScriptEnabled: false });
  const form = await bare.newPage();
  await form.goto(`${url}/`);
  before = Number(await desk("stops"));
  await form.click("#stop-button");
  await until(async () => Number(await desk("stops")) === before + 1, "stop without any script");
});
