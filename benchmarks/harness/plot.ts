/**
 * Samples per second of every contender as bars, a group per case.
 *
 * Invariant: within a group the fastest contender's bar has full length; whiskers are the quartiles' distance.
 */
import { ink } from "../../lib/pictures/chart.js";
import { textPath } from "../../lib/pictures/font.js";
import type { Row } from "./variant.js";

const [WIDTH, LEFT, BAR, GAP, TITLE] = [860, 190, 13, 4, 22] as const;
const LENGTH = 520;
const colours = [ink.training, ink.replay, ink.validation, "#0891b2", "#65a30d", "#71717a"];

interface Colours {
  of(contender: string): string;
}

function bar(row: Row, top: number, fastest: number, fill: string): string {
  const length = (LENGTH * row.samplesPerSecond) / fastest;
  const spread = (length * row.iqr) / row.median / 2;
  const middle = top + BAR / 2;
  const end = (LEFT + length).toFixed(1);
  const whisker = `M${(LEFT + length - spread).toFixed(1)} ${middle}h${(2 * spread).toFixed(1)}`;
  return [
    textPath(row.contender.slice(0, 30), 8, top + 3, 1, ink.text),
    `<rect x="${LEFT}" y="${top}" width="${length.toFixed(1)}" height="${BAR}" fill="${fill}"/>`,
    `<path d="${whisker}" stroke="${ink.text}"/>`,
    textPath(row.samplesPerSecond.toPrecision(3), Number(end) + spread + 6, top + 3, 1, ink.text),
  ].join("");
}

function group(name: string, rows: readonly Row[], top: number, { of }: Colours): string {
  const fastest = Math.max(...rows.map((row) => row.samplesPerSecond));
  const bars = rows.map((row, i) =>
    bar(row, top + TITLE + i * (BAR + GAP), fastest, of(row.contender)),
  );
  return textPath(`${name}, samples/s`, 8, top + 8, 1, ink.text) + bars.join("");
}

/** An SVG of all rows, in their order. */
export function chart(rows: readonly Row[]): string {
  const names = [...new Set(rows.map(({ contender }) => contender))];
  const of = (contender: string) => colours[names.indexOf(contender) % colours.length] as string;
  let top = 6;
  const groups = [...new Set(rows.map((row) => row.case))].map((name) => {
    const own = rows.filter((row) => row.case === name);
    const svg = group(name, own, top, { of });
    top += TITLE + own.length * (BAR + GAP) + 8;
    return svg;
  });
  const size = `width="${WIDTH}" height="${top}" viewBox="0 0 ${WIDTH} ${top}"`;
  const paper = `<rect width="${WIDTH}" height="${top}" fill="white"/>`;
  return `<svg xmlns="http://www.w3.org/2000/svg" ${size}>${paper}${groups.join("")}</svg>\n`;
}
