// What is live comes over one stream for all tabs (worker.js). Where there are no shared workers, or the worker does
// not answer, each tab asks by itself: a stream of its own would hold one of the browser's six connections to a host.

const HERE_MS = 20_000;
const WORKER_MS = 6_000;
const AGAIN_MS = 2_000;
const ASK_MS = 5_000;

export function live(page, root, shown, lost) {
  let heard = false;
  const hear = (data) => {
    heard = true;
    data.lost ? lost() : shown(data);
  };
  let worker;
  try {
    worker = new SharedWorker(new URL("worker.js", import.meta.url), { name: "calvaria" });
  } catch {
    return own(page, root, hear);
  }
  const say = (what) => worker.port.postMessage({ page, ...what });
  const here = setInterval(say, HERE_MS, {});
  const alone = () => {
    if (heard) return;
    clearInterval(here);
    say({ bye: true });
    worker.port.onmessage = null;
    own(page, root, hear);
  };
  worker.onerror = alone;
  setTimeout(alone, WORKER_MS);
  worker.port.onmessage = ({ data }) => hear(data);
  say({ join: true });
  addEventListener("pagehide", () => say({ bye: true }));
  addEventListener("pageshow", (event) => event.persisted && say({ join: true }));
  document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && say({ join: true }));
}

// Asks again and again, and holds no connection in between. A hidden tab does not ask.
function own(page, root, hear) {
  const known = {};
  let next;
  const ask = async () => {
    clearTimeout(next);
    next = undefined;
    if (document.visibilityState === "hidden") return;
    try {
      const signal = AbortSignal.timeout(ASK_MS);
      const response = await fetch(`${root}live?on=${encodeURIComponent(page)}&once=1`, { cache: "no-store", signal });
      if (!response.ok) throw new Error(response.statusText);
      const now = (await response.json())[page];
      // What did not change is not drawn again.
      const changed = Object.entries(now.parts).filter(([name, html]) => known[name] !== html);
      Object.assign(known, now.parts);
      hear({ ...now, parts: Object.fromEntries(changed) });
    } catch {
      hear({ lost: true });
    }
    clearTimeout(next);
    next = setTimeout(ask, AGAIN_MS);
  };
  document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && ask());
  ask();
}
