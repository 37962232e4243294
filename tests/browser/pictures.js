// Draws every state of both pages into a folder, to be looked at.
const path = require("node:path");
const { url, rest, desk, browse } = require("./lib.js");

browse(async (browser) => {
  for (const scheme of ["light", "dark"]) {
    for (const width of [320, 800, 1280, 1600]) {
      const page = await browser.newPage({ colorScheme: scheme, viewport: { width, height: 900 } });
      const draw = (name) => page.screenshot({ path: path.join(rest[0], `${name}-${width}-${scheme}.png`), fullPage: true });
      for (const state of (await desk("states")).split(" ")) {
        await page.goto("about:blank"); // a page that is open loads itself anew when its case changes
        await desk(`state ${state}`);
        for (const [name, at] of [["first", "/"], ["case", "/jobs/K7-2043"], ...(state === "put-away" ? [["history", "/history"]] : [])]) {
          const answer = await page.goto(`${url}${at}`, { waitUntil: "load" });
          if (!answer.ok()) continue;
          await page.waitForTimeout(150);
          await draw(`${state}-${name}`);
        }
        if (state !== "printing") continue;
        await page.goto(`${url}/`);
        await page.waitForTimeout(150);
        await page.click("[data-open=cancel]");
        await draw("cancel-dialog");
        await page.click("#stop-button");
        await page.waitForTimeout(400);
        await draw("cancel-dialog-stop");
      }
      await page.close();
    }
  }
});
