import sharp from "sharp";
import t from "tap";
import { textHeight, textPath, textWidth } from "../../lib/pictures/font.js";

t.test("glyphs are drawn where their bits are", async (t) => {
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="12" height="14">${textPath("T", 0, 0, 2, "#fff")}</svg>`;
  const { data, info } = await sharp(Buffer.from(svg))
    .greyscale()
    .raw()
    .toBuffer({ resolveWithObject: true });
  const lit = (x: number, y: number) => data[(y * info.width + x) * info.channels] === 255;
  t.ok(lit(0, 0) && lit(9, 1), "the bar of the T");
  t.ok(lit(4, 13), "its stem");
  t.notOk(lit(0, 13) || lit(11, 0));
});

t.test("sizes and unknown characters", (t) => {
  t.equal(textWidth("", 3), 0);
  t.equal(textWidth("ab", 2), 22);
  t.equal(textHeight(2), 14);
  t.equal(textPath("é", 0, 0, 1, "#000"), textPath("?", 0, 0, 1, "#000"));
  t.end();
});
