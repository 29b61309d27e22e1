// @ts-check
/** The lists of the page: sources, a card per face, events. What comes from outside is set as text, never as markup. */

import { drawStrip } from "./draw.js";
import { numberOf } from "./faces.js";

/** @typedef {import("./faces.js").Face} Face */
/** @typedef {import("./draw.js").Theme} Theme */
/**
 * @typedef {object} Source
 * @property {string} source
 * @property {string} state
 * @property {boolean | null} up null where it cannot be told
 * @property {string} reason
 * @property {string} from
 * @property {number} fps frames decoded per second; 0 where it is not known
 * @property {Record<string, number>} counts
 * @property {{median: number, worst: number} | null} latency s
 */

/** Events that are listed at most. */
const EVENTS = 50;

const whole = new Intl.NumberFormat("en");
const short = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });
const moment = new Intl.DateTimeFormat("en-GB", {
  day: "numeric",
  month: "short",
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
});

/**
 * @param {string} id
 * @returns {HTMLElement}
 */
export function byId(id) {
  return /** @type {HTMLElement} */ (document.getElementById(id));
}

/**
 * @param {string} id of a template
 * @returns {HTMLElement}
 */
function copy(id) {
  const { content } = /** @type {HTMLTemplateElement} */ (byId(id));
  return /** @type {HTMLElement} */ (document.importNode(content, true).firstElementChild);
}

/**
 * @param {Element} parent
 * @param {string} selector
 * @returns {HTMLElement}
 */
function within(parent, selector) {
  return /** @type {HTMLElement} */ (parent.querySelector(selector));
}

/**
 * Set a text; where it is that already nothing happens, so that a screen reader is not disturbed.
 * @param {Element} element
 * @param {string} text
 */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** @param {number} share */
const percent = (share) => `${Math.round(share * 100)}\u00a0%`;

/** @param {number} share of the whole length */
const length = (share) => `${(Math.min(1, Math.max(0, share)) * 100).toFixed(1)}%`;

/** @param {number} seconds */
const duration = (seconds) =>
  seconds < 1 ? `${Math.round(seconds * 1000)}\u00a0ms` : `${seconds.toFixed(1)}\u00a0s`;

/**
 * Put children in order, moving only those that are elsewhere: what has the focus keeps it.
 * @param {HTMLElement} parent
 * @param {HTMLElement[]} children
 */
function arrange(parent, children) {
  for (const child of [...parent.children]) {
    if (!children.includes(/** @type {HTMLElement} */ (child))) child.remove();
  }
  children.forEach((child, index) => {
    if (parent.children[index] !== child) parent.insertBefore(child, parent.children[index] ?? null);
  });
}

/** The sources, of which one is chosen. */
export class SourceList {
  /** @type {Map<string, HTMLElement>} */
  #items = new Map();
  #list = byId("sources");

  /**
   * @param {Source[]} sources
   * @param {string} chosen
   */
  show(sources, chosen) {
    const items = new Map(sources.map((told) => [told.source, this.#items.get(told.source) ?? copy("source-template")]));
    this.#items = items;
    arrange(this.#list, [...items.values()]);
    for (const told of sources) this.#fill(/** @type {HTMLElement} */ (items.get(told.source)), told, chosen);
  }

  /**
   * @param {HTMLElement} item
   * @param {Source} told
   * @param {string} chosen
   */
  #fill(item, told, chosen) {
    const link = within(item, "a");
    say(link, told.source);
    link.setAttribute("href", `#${encodeURIComponent(told.source)}`);
    if (told.source === chosen) link.setAttribute("aria-current", "true");
    else link.removeAttribute("aria-current");
    item.dataset.up = String(told.up);
    say(within(item, ".state"), told.state);
    say(within(item, ".reason"), told.reason);
    say(within(item, ".from"), told.from);

    const drops = Object.entries(told.counts).filter(([name]) => name.startsWith("dropped"));
    const causes = drops.filter(([, count]) => count).map(([name, count]) => `${name}: ${whole.format(count)}`);
    const { latency } = told;
    // Where anything was counted, what is missing never happened; else nothing is known.
    const counted = Object.keys(told.counts).length > 0;
    within(item, "dl").hidden = !counted && !told.fps && !latency;
    const dropped = drops.reduce((sum, [, count]) => sum + count, 0);
    this.#figure(item, "frames", counted ? (told.counts.frames ?? 0) : NaN);
    this.#figure(item, "faces", counted ? (told.counts.faces ?? 0) : NaN, "seen, summed over frames");
    this.#figure(item, "dropped", counted ? dropped : NaN, causes.join("\n"));
    say(within(item, '[data-figure="fps"]'), told.fps ? told.fps.toFixed(told.fps < 9.95 ? 1 : 0) : "–");
    const delay = within(item, '[data-figure="latency"]');
    say(delay, latency ? duration(latency.median) : "–");
    delay.title = latency ? `median; ${duration(latency.worst)} at worst` : "not known";
  }

  /**
   * @param {HTMLElement} item
   * @param {string} name
   * @param {number} count NaN where it is not known
   * @param {string} [meaning]
   */
  #figure(item, name, count, meaning = "") {
    const figure = within(item, `[data-figure="${name}"]`);
    const exact = Number.isNaN(count) ? "not known" : whole.format(count);
    say(figure, Number.isNaN(count) ? "–" : count < 100_000 ? exact : short.format(count));
    figure.title = [exact, meaning].filter(Boolean).join("\n");
  }
}

/**
 * A card and what changes in it.
 * @typedef {object} Card
 * @property {HTMLElement} element
 * @property {HTMLElement} word
 * @property {HTMLElement} intensity
 * @property {HTMLElement} quality
 * @property {{fill: HTMLElement, tick: HTMLElement, value: HTMLElement}[]} bars
 * @property {HTMLCanvasElement} strip
 */

/** A card per face in view. */
export class Cards {
  /** @type {Map<string, Card>} */
  #cards = new Map();
  #group = byId("faces");

  /** @param {string[]} labels */
  constructor(labels) {
    this.labels = labels;
  }

  /**
   * @param {Face[]} faces in view, in order
   * @param {number} newest event time, ms since 1970
   * @param {Theme} look
   */
  show(faces, newest, look) {
    const cards = faces.map(({ row }) => this.#cards.get(row.track) ?? this.#make(row.track));
    this.#cards = new Map(faces.map(({ row }, index) => [row.track, cards[index]]));
    arrange(this.#group, cards.map(({ element }) => element));
    faces.forEach((face, index) => this.#fill(cards[index], face));
    // Drawn last, all at once: asking a canvas for its size between changes would lay out the page for each.
    faces.forEach((face, index) => drawStrip(cards[index].strip, face, newest, look));
  }

  /**
   * @param {string} track
   * @returns {Card}
   */
  #make(track) {
    const element = copy("card-template");
    const number = numberOf(track);
    element.setAttribute("aria-label", `Face ${number}`);
    within(element, "h3").textContent = number;
    within(element, "h3").title = track;
    const bars = this.labels.map((label, index) => {
      const bar = copy("bar-template");
      bar.style.setProperty("--colour", `var(--label-${index})`);
      within(bar, ".label").textContent = label;
      within(element, ".bars").append(bar);
      return { fill: within(bar, ".fill"), tick: within(bar, ".tick"), value: within(bar, ".value") };
    });
    return {
      element,
      word: within(element, ".word"),
      intensity: within(element, ".intensity"),
      quality: within(element, ".quality"),
      bars,
      strip: /** @type {HTMLCanvasElement} */ (within(element, ".strip")),
    };
  }

  /**
   * @param {Card} card
   * @param {Face} face
   */
  #fill(card, { row }) {
    if (card.word.textContent !== row.dominant) {
      const top = this.labels.indexOf(row.dominant);
      card.element.style.setProperty("--colour", top < 0 ? "var(--ink)" : `var(--label-${top})`);
    }
    say(card.word, row.dominant);
    say(card.intensity, percent(row.intensity));
    say(card.quality, `quality ${row.quality.toFixed(2)}`);
    card.bars.forEach(({ fill, tick, value }, index) => {
      fill.style.width = length(row.smoothed[index]);
      tick.style.left = length(row.raw[index]);
      say(value, percent(row.smoothed[index]));
    });
  }
}

/** The last events, newest first. */
export class EventList {
  #list = byId("events");

  clear() {
    this.#list.replaceChildren();
    byId("quiet").hidden = false;
  }

  /** @param {unknown} events oldest first; those that are not as they should be are passed over */
  add(events) {
    for (const event of Array.isArray(events) ? events : []) {
      const text = worded(event);
      const time = Date.parse(event?.time);
      if (!text || Number.isNaN(time)) continue;
      // After a reconnection the server tells some again.
      const key = [event.run, event.frame, event.track, event.event].join(" ");
      if ([...this.#list.children].some((item) => /** @type {HTMLElement} */ (item).dataset.key === key)) continue;
      const item = document.createElement("li");
      const when = document.createElement("time");
      when.dateTime = new Date(time).toISOString();
      when.textContent = moment.format(time);
      const what = document.createElement("span");
      what.textContent = text;
      item.dataset.key = key;
      item.append(when, what);
      this.#list.prepend(item);
      byId("quiet").hidden = true;
    }
    while (this.#list.children.length > EVENTS) this.#list.lastElementChild?.remove();
  }
}

/**
 * @param {any} event
 * @returns {string} empty where it is none
 */
function worded(event) {
  if (typeof event?.track !== "string") return "";
  const face = `Face ${numberOf(event.track)}`;
  switch (event.event) {
    case "begin":
      return `${face} came, ${event.dominant}`;
    case "end":
      return `${face} left, ${event.dominant}`;
    case "dominant":
      return `${face}: ${event.previous} → ${event.dominant}`;
    default:
      return "";
  }
}
