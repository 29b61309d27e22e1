// @ts-check
/** What is known of the faces of one source: the last row of each, and a minute of its smoothed distribution. */

/**
 * A record that was found sound.
 * @typedef {object} Row
 * @property {string} run
 * @property {string} track
 * @property {number} time event time, ms since 1970
 * @property {number} x box, px of the source frame
 * @property {number} y
 * @property {number} w
 * @property {number} h
 * @property {number} quality in [0, 1]
 * @property {string} dominant
 * @property {number} intensity probability of `dominant`, in [0, 1]
 * @property {number[]} raw distribution of this frame alone, in the order of the labels
 * @property {number[]} smoothed distribution smoothed over time, likewise
 */
/**
 * @typedef {object} Moment
 * @property {number} time event time, ms since 1970
 * @property {number[]} smoothed
 */
/**
 * @typedef {object} Face
 * @property {Row} row the last one
 * @property {number} arrived when it came, by the clock of `now`, ms
 * @property {number} step usual event time between rows, ms
 * @property {Moment[]} moments oldest first, `SPAN` at most
 */

/** Event time that histories reach back, ms. */
export const SPAN = 60_000;
/** Event time between two moments of a history at least, ms: about a pixel of what is drawn of it. */
export const GRAIN = 200;
/** How long a face that has no new row counts as in view, ms; longer where frames are few. */
const VIEW = 1000;
/** How long a face that has no new row is remembered, ms. Its track ends 3 s after it was last seen. */
const KEPT = 10_000;

export class Faces {
  /** @type {Map<string, Face>} */
  #faces = new Map();
  #run = "";
  /** Event time of the newest row, ms since 1970. Not the greatest: a camera's clock may be set back. */
  newest = 0;
  /** Farthest right and bottom edge of any box of this run, px: all that rows tell of the size of the frame. */
  extent = { width: 0, height: 0 };

  /** @param {string[]} labels in the order of the distributions */
  constructor(labels) {
    this.labels = labels;
  }

  /**
   * Take records, oldest first; those that are not as they should be are passed over.
   * @param {unknown} records
   * @param {number} now ms, by any clock that never goes back
   */
  add(records, now) {
    for (const record of Array.isArray(records) ? records : []) {
      const row = read(record, this.labels);
      if (row) this.#take(row, now);
    }
    this.forget(now);
  }

  /**
   * Faces in view, by number.
   * @param {number} now ms
   * @returns {Face[]}
   */
  inView(now) {
    const seen = [...this.#faces.values()].filter(
      (face) => now - face.arrived <= patience(face) && this.newest - face.row.time <= patience(face),
    );
    return seen.sort((a, b) => a.row.track.localeCompare(b.row.track, "en", { numeric: true }));
  }

  /**
   * Drop the faces that have long been gone.
   * @param {number} now ms
   */
  forget(now) {
    for (const [track, face] of this.#faces) {
      if (now - face.arrived > KEPT) this.#faces.delete(track);
    }
  }

  /**
   * @param {Row} row
   * @param {number} now ms
   */
  #take(row, now) {
    if (row.run !== this.#run) {
      this.#run = row.run;
      this.extent = { width: 0, height: 0 };
    }
    this.newest = row.time;
    this.extent.width = Math.max(this.extent.width, row.x + row.w);
    this.extent.height = Math.max(this.extent.height, row.y + row.h);

    const face = this.#faces.get(row.track) ?? { row, arrived: now, step: 0, moments: [] };
    this.#faces.set(row.track, face);
    const passed = row.time - face.row.time;
    if (passed > 0 && passed <= KEPT) face.step += 0.2 * (passed - face.step);
    face.row = row;
    face.arrived = now;

    const { moments } = face;
    while (moments.length && moments[moments.length - 1].time >= row.time) moments.pop();
    if (!moments.length || row.time - moments[moments.length - 1].time >= GRAIN) {
      moments.push({ time: row.time, smoothed: row.smoothed });
    }
    while (moments[0].time < row.time - SPAN) moments.shift();
  }
}

/**
 * How long a face may be without a row before it is out of view, or its history has a gap, ms.
 * @param {Face} face
 */
export function patience(face) {
  return Math.max(VIEW, 2.5 * face.step);
}

/**
 * What people call a track: the number after the last `-` of its id.
 * @param {string} track
 */
export function numberOf(track) {
  return track.slice(track.lastIndexOf("-") + 1);
}

/**
 * Return the row that a record holds; null where anything of it is missing or no number.
 * @param {any} record
 * @param {string[]} labels
 * @returns {Row | null}
 */
function read(record, labels) {
  if (!record || typeof record.track !== "string" || typeof record.dominant !== "string") return null;
  const { track, dominant, x, y, w, h, quality, intensity } = record;
  const time = Date.parse(record.time);
  const raw = labels.map((label) => record[`p_${label}`]);
  const smoothed = labels.map((label) => record[`s_${label}`]);
  if (![time, x, y, w, h, quality, intensity, ...raw, ...smoothed].every(Number.isFinite)) return null;
  return { run: String(record.run), track, time, x, y, w, h, quality, dominant, intensity, raw, smoothed };
}
