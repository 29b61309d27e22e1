// @ts-check
/** The live page: asks for the sources, follows the chosen one, and shows it whenever something has changed. */

import { drawStage, theme } from "./draw.js";
import { Faces, numberOf } from "./faces.js";
import { byId, Cards, EventList, say, SourceList } from "./view.js";

/** @typedef {import("./view.js").Source} Source */

/** ms between two questions for the sources. */
const PAUSE = 2000;
/** ms to wait for an answer. */
const PATIENCE = 5000;
/** ms without a message after which the stream is opened anew: it may be dead without anybody having been told. */
const SILENCE = 10_000;
/** ms between two looks at whether a face has gone. */
const TICK = 250;

const sourceList = new SourceList();
const eventList = new EventList();
const stage = /** @type {HTMLCanvasElement} */ (byId("stage"));

/** @type {string[]} */
let labels = [];
/** @type {Source[] | null} null before the first answer */
let sources = null;
/** Whether records can be read at all. */
let published = true;
/** Why the sources are not known just now; empty where they are. */
let lost = "";
let chosen = "";
let faces = new Faces(labels);
let cards = new Cards(labels);
let look = theme(0);
/** @type {EventSource | null} */
let stream = null;
let broken = false;
/** When the stream last gave anything, or was opened; ms. */
let heard = 0;
/** Tracks that are shown. */
let shown = "";
let due = false;

async function ask() {
  const before = lost;
  try {
    const answer = await fetch("api/sources", { cache: "no-store", signal: AbortSignal.timeout(PATIENCE) });
    const told = await answer.json();
    if (answer.ok) take(told);
    lost = answer.ok ? "" : `The server cannot tell of its sources: ${told?.error ?? answer.status}. Trying again…`;
  } catch {
    lost = "The connection to the server is lost (or too many of its pages are open here). Trying again…";
  }
  setTimeout(ask, PAUSE);
  choose(Boolean(before) && !lost);
  change();
}

/** @param {any} told what the server answered; throws where it is nothing of the kind */
function take(told) {
  /** @type {any[]} */
  const listed = told.sources;
  if (!labels.length) {
    labels = told.labels.map(String);
    look = theme(labels.length);
    faces = new Faces(labels);
    cards = new Cards(labels);
  }
  published = told.published !== false;
  sources = listed.map((one) => ({
    source: String(one.source),
    state: String(one.state),
    up: typeof one.up === "boolean" ? one.up : null,
    reason: String(one.reason ?? ""),
    from: String(one.from ?? ""),
    fps: Number.isFinite(one.fps) ? one.fps : 0,
    counts: Object.fromEntries(Object.entries(one.counts ?? {}).filter(([, count]) => Number.isFinite(count))),
    latency: Number.isFinite(one.latency?.median) && Number.isFinite(one.latency?.worst) ? one.latency : null,
  }));
}

/** @returns {string} the source that the address of the page names; empty where it names none */
function named() {
  try {
    return decodeURIComponent(location.hash.slice(1));
  } catch {
    return "";
  }
}

/**
 * Follow the source that the address names, else go on with the one that is followed, else take the first.
 * @param {boolean} [anew] whether to open its stream again although it seems to be well
 */
function choose(anew = false) {
  if (!sources) return;
  /** @param {string} name */
  const known = (name) => (sources ?? []).some(({ source }) => source === name);
  const wanted = named() || (known(chosen) ? chosen : (sources[0]?.source ?? ""));
  if (wanted !== chosen) {
    close();
    chosen = wanted;
    faces = new Faces(labels);
    eventList.clear();
  }
  const silent = performance.now() - heard > SILENCE;
  // A browser opens no more than six connections to one server: pages that nobody sees leave theirs to others.
  if (!published || !known(chosen) || document.hidden) close();
  else if (anew || silent || !stream || stream.readyState === EventSource.CLOSED) open();
}

function open() {
  stream?.close();
  stream = new EventSource(`api/live/${encodeURIComponent(chosen)}`);
  heard = performance.now();
  stream.onerror = () => {
    broken = true; // the browser tries again by itself, or where it was refused, `choose` does
    change();
  };
  stream.onmessage = ({ data }) => {
    heard = performance.now();
    broken = false; // not when it opens: what is refused behind the server would seem well for a moment each time
    let told;
    try {
      told = JSON.parse(data);
    } catch {
      return;
    }
    faces.add(told?.records, heard);
    eventList.add(told?.events);
    change();
  };
}

function close() {
  stream?.close();
  stream = null;
  broken = false;
}

/** See to it that the page is shown anew, once, when the browser draws next. A hidden page is not drawn. */
function change() {
  if (due) return;
  due = true;
  requestAnimationFrame(() => {
    due = false;
    show();
  });
}

function show() {
  const inView = faces.inView(performance.now());
  const told = sources?.find(({ source }) => source === chosen);
  shown = inView.map(({ row }) => row.track).join();

  const away = lost || (broken ? "The live records cannot be read. Trying again…" : "");
  say(byId("lost"), away);
  byId("lost").hidden = !away;
  document.body.classList.toggle("away", Boolean(away));
  document.title = chosen ? `${chosen} · affectstream` : "affectstream";
  say(byId("chosen"), chosen);
  byId("chosen").hidden = !chosen;
  sourceList.show(sources ?? [], chosen);

  const status = worded(told, inView.length, Boolean(away));
  say(byId("status"), status);
  byId("status").hidden = !status;
  byId("key").hidden = !inView.length;

  cards.show(inView, faces.newest, look);
  const who = inView.map(({ row }) => `${numberOf(row.track)} ${row.dominant}`).join(", ");
  stage.setAttribute("aria-label", who ? `Boxes of faces: ${who}` : "No face in view");
  drawStage(stage, inView, faces.extent, labels, look);
}

/**
 * Say what there is to say beside what is seen.
 * @param {Source | undefined} told
 * @param {number} inView
 * @param {boolean} away whether it is told elsewhere that nothing can be known
 */
function worded(told, inView, away) {
  if (!sources) return away ? "" : "Asking for the sources…";
  if (!chosen) return "No source yet. The first will be shown here by itself.";
  if (!told) return `There is no source “${chosen}” now. It will be shown here by itself once there is.`;
  if (inView || away) return "";
  if (told.up === false) return `Nothing comes from ${told.source} now: ${told.state}${told.reason ? ` (${told.reason})` : ""}.`;
  if (!published) return "Faces cannot be shown here: this run publishes nothing, because Redis is turned off.";
  return told.reason ? `No face in view: ${told.reason}.` : "No face in view.";
}

function restyle() {
  look = theme(labels.length);
  change();
}

document.addEventListener("visibilitychange", () => choose());
window.addEventListener("hashchange", () => {
  choose();
  change();
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", restyle);
new ResizeObserver(restyle).observe(document.body);
setInterval(() => {
  const now = performance.now();
  faces.forget(now);
  const inView = faces.inView(now);
  if (inView.map(({ row }) => row.track).join() !== shown) change();
}, TICK);
ask();
