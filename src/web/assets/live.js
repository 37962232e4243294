// What is live comes over one stream for all tabs (worker.js). Where there are no shared workers, or as long as the
// worker does not answer, each tab asks by itself: a stream of its own would hold one of the browser's six connections
// to a host. A worker that answers late, on a machine that is busy, is taken from then on.

const HERE_MS = 20_000;
const WORKER_MS = 6_000;
const AGAIN_MS = 2_000;
const ASK_MS = 5_000;

export function live(page, root, shown, lost) {
  const hear = (data) => (data.lost ? lost() : shown(data));
  let worker;
  try {
    worker = new SharedWorker(new URL("worker.js", import.meta.url), { name: "calvaria" });
  } catch {
    own(page, root, hear);
    return;
  }
  let heard = false;
  let end; // of the asking by itself
  const alone = () => {
    if (!heard) end ??= own(page, root, hear);
  };
  worker.port.onmessage = ({ data }) => {
    // The worker's stream may be lost where asking works.
    if (data.lost && end) return;
    heard = true;
    end?.();
    end = undefined;
    hear(data);
  };
  worker.onerror = alone;
  setTimeout(alone, WORKER_MS);
  const say = (what) => worker.port.postMessage({ page, ...what });
  setInterval(say, HERE_MS, {});
  say({ join: true });
  addEventListener("pagehide", () => say({ bye: true }));
  addEventListener("pageshow", (event) => event.persisted && say({ join: true }));
  document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && say({ join: true }));
}

// Asks again and again, and holds no connection in between. A hidden tab does not ask. Gives what ends it.
function own(page, root, hear) {
  const known = {};
  let next;
  let over = false;
  const ask = async () => {
    clearTimeout(next);
    next = undefined;
    if (over || document.visibilityState === "hidden") return;
    try {
      const signal = AbortSignal.timeout(ASK_MS);
      const response = await fetch(`${root}live?on=${encodeURIComponent(page)}&once=1`, { cache: "no-store", signal });
      if (!response.ok) throw new Error(response.statusText);
      const now = (await response.json())[page];
      if (over) return;
      // What did not change is not drawn again.
      const changed = Object.entries(now.parts).filter(([name, html]) => known[name] !== html);
      Object.assign(known, now.parts);
      hear({ ...now, parts: Object.fromEntries(changed) });
    } catch {
      if (!over) hear({ lost: true });
    }
    clearTimeout(next);
    if (!over) next = setTimeout(ask, AGAIN_MS);
  };
  const seen = () => document.visibilityState === "visible" && ask();
  document.addEventListener("visibilitychange", seen);
  ask();
  return () => {
    over = true;
    clearTimeout(next);
    document.removeEventListener("visibilitychange", seen);
  };
}
