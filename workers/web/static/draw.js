// @ts-check
/** What is drawn on canvases: the boxes of the faces in view, and the last minute of one. */

import { GRAIN, numberOf, patience, SPAN } from "./faces.js";

/** @typedef {import("./faces.js").Face} Face */
/**
 * What the style sheet says of colours and sizes.
 * @typedef {object} Theme
 * @property {string[]} labels colour of each label
 * @property {string} ink
 * @property {string} panel
 * @property {string} edge drawn around colours, so that light ones show on light ground
 * @property {number} rem px
 */

/** Smallest frame that is assumed, px: a first face that is alone would fill the stage otherwise. */
const LEAST = { width: 320, height: 180 };
/** Room around the farthest boxes, as a share of the frame. */
const MARGIN = 0.04;

/**
 * Read the theme that applies now.
 * @param {number} count of labels
 * @returns {Theme}
 */
export function theme(count) {
  const style = getComputedStyle(document.documentElement);
  /** @param {string} name */
  const colour = (name) => style.getPropertyValue(`--${name}`).trim();
  return {
    labels: Array.from({ length: count }, (_, index) => colour(`label-${index}`)),
    ink: colour("ink"),
    panel: colour("panel"),
    edge: colour("edge"),
    rem: parseFloat(style.fontSize),
  };
}

/**
 * Make a canvas as fine as the screen, and empty.
 * @param {HTMLCanvasElement} canvas
 * @returns {{pen: CanvasRenderingContext2D, width: number, height: number} | null} its size in CSS px
 */
function blank(canvas) {
  const pen = canvas.getContext("2d");
  const [width, height, scale] = [canvas.clientWidth, canvas.clientHeight, window.devicePixelRatio || 1];
  if (!pen || !width || !height) return null;
  const [columns, rows] = [Math.round(width * scale), Math.round(height * scale)];
  if (canvas.width !== columns || canvas.height !== rows) {
    canvas.width = columns;
    canvas.height = rows;
  }
  pen.setTransform(scale, 0, 0, scale, 0, 0);
  pen.clearRect(0, 0, width, height);
  return { pen, width, height };
}

/**
 * Draw the boxes of faces, each with its number and dominant label, the fainter the lower its quality.
 * @param {HTMLCanvasElement} canvas
 * @param {Face[]} faces
 * @param {{width: number, height: number}} extent of the frame, px
 * @param {string[]} labels
 * @param {Theme} look
 */
export function drawStage(canvas, faces, extent, labels, look) {
  const sheet = blank(canvas);
  if (!sheet) return;
  const { pen, width, height } = sheet;
  const frame = {
    width: Math.max(extent.width, LEAST.width) * (1 + MARGIN),
    height: Math.max(extent.height, LEAST.height) * (1 + MARGIN),
  };
  const scale = Math.min(width / frame.width, height / frame.height);
  const [left, top] = [(width - frame.width * scale) / 2, (height - frame.height * scale) / 2];
  pen.font = `600 ${0.85 * look.rem}px system-ui, sans-serif`;
  pen.textBaseline = "middle";
  pen.lineJoin = "round";
  for (const { row } of faces) {
    const [x, y, w, h] = [left + row.x * scale, top + row.y * scale, row.w * scale, row.h * scale];
    const strength = 0.35 + 0.65 * Math.min(1, Math.max(0, row.quality));
    pen.globalAlpha = strength;
    /** @type {(grown: number, thickness: number, colour: string) => void} */
    const outline = (grown, thickness, colour) => {
      pen.lineWidth = thickness;
      pen.strokeStyle = colour;
      pen.beginPath();
      pen.roundRect(x - grown, y - grown, w + 2 * grown, h + 2 * grown, 4 + grown);
      pen.stroke();
    };
    const line = 0.2 * look.rem;
    outline(0, line, look.labels[labels.indexOf(row.dominant)] ?? look.ink);
    outline(line / 2, 1, look.edge);
    outline(-line / 2, 1, look.edge);
    pen.globalAlpha = Math.max(0.7, strength); // words must be readable all the same
    const text = `${numberOf(row.track)}  ${row.dominant}`;
    const [across, down] = [pen.measureText(text).width + look.rem * 0.7, look.rem * 1.4];
    // Above the box where there is room, and always within the stage.
    const [u, v] = [Math.max(0, Math.min(x, width - across)), Math.max(0, y - down - 4)];
    pen.fillStyle = look.panel;
    pen.beginPath();
    pen.roundRect(u, v, across, down, 4);
    pen.fill();
    pen.fillStyle = look.ink;
    pen.fillText(text, u + look.rem * 0.35, v + down / 2 + 0.5);
  }
  pen.globalAlpha = 1;
}

/**
 * Draw the smoothed distribution of a face over the last minute as stacked areas, the first label at the bottom.
 * @param {HTMLCanvasElement} canvas
 * @param {Face} face
 * @param {number} newest event time of the right edge, ms since 1970
 * @param {Theme} look
 */
export function drawStrip(canvas, face, newest, look) {
  const sheet = blank(canvas);
  if (!sheet) return;
  const { pen, width, height } = sheet;
  /** @param {number} time */
  const across = (time) => width * (1 - (newest - time) / SPAN);
  const { moments } = face;
  for (let first = 0, end = 1; end <= moments.length; end++) {
    // What was not seen is not drawn: areas end where a gap begins.
    if (end < moments.length && moments[end].time - moments[end - 1].time <= patience(face) + GRAIN) continue;
    const part = moments.slice(first, end);
    const last = Math.min(newest, part[part.length - 1].time + GRAIN);
    first = end;
    const sums = part.map(({ smoothed }) => {
      let sum = 0;
      return smoothed.map((share) => (sum += share));
    });
    // From the top label down, each from its upper edge to the ground: no seams between neighbours.
    for (let label = look.labels.length - 1; label >= 0; label--) {
      pen.fillStyle = look.labels[label];
      pen.beginPath();
      pen.moveTo(across(part[0].time), height);
      part.forEach(({ time }, index) => pen.lineTo(across(time), height * (1 - sums[index][label])));
      pen.lineTo(across(last), height * (1 - sums[sums.length - 1][label]));
      pen.lineTo(across(last), height);
      pen.fill();
    }
  }
}
