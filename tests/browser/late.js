// A tab whose shared worker answers late: it asks by itself until then, and no longer.
const { url, desk, check, until, pause, browse } = require("./lib.js");

const LATE_MS = 9_000;

// In the page, before its own code: nothing that the worker says is heard for a while.
function deafen(lateMs) {
  const Real = SharedWorker;
  globalThis.SharedWorker = class {
    constructor(...given) {
      const { port } = new Real(...given);
      this.port = {
        postMessage: (message) => port.postMessage(message),
        set onmessage(hear) {
          port.onmessage = (event) => performance.now() > lateMs && hear(event);
        },
      };
    }
  };
}

browse(async (browser) => {
  await desk("state idle");
  const page = await (await browser.newContext()).newPage();
  await page.addInitScript(deafen, LATE_MS);
  let asked = 0;
  page.on("request", (request) => (asked += request.url().includes("once=1") ? 1 : 0));
  await page.goto(`${url}/`);
  await until(async () => asked > 0, "a tab that hears nothing asks by itself");
  const printing = () => page.evaluate(() => document.querySelector("[data-open=cancel]")?.checkVisibility() ?? false);
  await desk("state printing");
  await until(printing, "it learns of the print that way");
  await pause(LATE_MS);
  await desk("state idle");
  await until(async () => !(await printing()), "it learns of the end");
  await desk("state printing");
  await until(printing, "and of the next print");
  asked = 0;
  await pause(6_000);
  check(asked === 0, `the worker is heard, and the tab asks no more (${asked})`);
});
