import t from "tap";
import { recipeNames } from "../../lib/config/pack.js";
import { prepareImage } from "../../lib/data/preprocess/image.js";
import { parameters, parametersDigest, recordFormat } from "../../lib/data/preprocess/recipes.js";
import {
  cleanReport,
  countWords,
  guessColumns,
  rawText,
} from "../../lib/data/preprocess/report.js";
import { packDefaults } from "../helpers/packing.js";

const { preprocessing } = packDefaults();

t.test("published cleaning of reports", async (t) => {
  const clean = (text: string) => cleanReport(text, "published");
  t.equal(
    clean("No acute disease. Heart size is NORMAL."),
    "no acute disease heart size is normal",
  );
  t.equal(clean("1. Clear lungs.\n2. No effusion. Stable."), "clear lungs no effusion");
  t.equal(clean("1. 2.5 cm nodule, left-sided"), "5 cm nodule left sided");
  t.equal(clean("caf\u00e9 au lait\uFFFD\uFFFDspot"), "caf au lait spot");
  t.equal(clean("\u4e2d \u6587. plain text"), "plain text");
  t.equal(countWords(clean("Normal.")), 0);
});

t.test("plain cleaning keeps the text", async (t) => {
  t.equal(cleanReport(" No  acute\r\ndisease. ", "plain"), "No acute disease.");
  t.equal(countWords("No acute disease."), 3);
});

t.test("columns are guessed, those that are named win", async (t) => {
  t.same(guessColumns(["id", "Findings", "impression"], {}), {
    case: "id",
    findings: "Findings",
    impression: "impression",
  });
  t.match(guessColumns(["note", "Patient ID"], {}), { text: "note", case: "Patient ID" });
  t.match(guessColumns(["findings", "story"], { text: "story" }), {
    text: "story",
    findings: undefined,
  });
  const row = { findings: "Lungs clear.", impression: "Normal.", story: "x" };
  t.equal(rawText(row, { findings: "findings", impression: "impression" }), "Normal. Lungs clear.");
  t.equal(rawText(row, { text: "story" }), "x");
  t.equal(rawText(row, { findings: "gone" }), " ");
});

const image = (pixels: Uint8Array | Uint16Array, channels: 1 | 3, width = 2, height = 2) => ({
  kind: "image2d" as const,
  pixels,
  height,
  width,
  channels,
  dtype: "uint8",
});
const options = (channels: 1 | 3, size = 2, kernel: "cubic" | "lanczos3" = "cubic") => ({
  size,
  channels,
  kernel,
});

t.test("images: grey from colour, colour from grey, 16 bit spread over 8", async (t) => {
  const colour = image(Uint8Array.from([255, 0, 0, 0, 255, 0, 0, 0, 255, 255, 255, 255]), 3);
  t.same([...(await prepareImage(colour, options(1)))], [76, 150, 29, 255]);
  t.same(await prepareImage(colour, options(3)), colour.pixels);
  const grey = image(Uint8Array.from([0, 10, 20, 30]), 1);
  t.same(
    [...(await prepareImage(grey, options(3)))],
    [0, 0, 0, 10, 10, 10, 20, 20, 20, 30, 30, 30],
  );
  const deep = image(Uint16Array.from([1000, 2000, 3000, 5000]), 1);
  t.same([...(await prepareImage(deep, options(1)))], [0, 64, 128, 255]);
});

t.test("images are stretched to a square; one value is refused", async (t) => {
  const wide = image(
    Uint8Array.from({ length: 800 }, (_, i) => (i % 40) * 6),
    1,
    40,
    20,
  );
  const record = await prepareImage(wide, options(1, 10));
  t.equal(record.length, 100);
  t.ok((record[0] as number) < 20 && (record[9] as number) > 214);
  const sharper = await prepareImage(wide, options(1, 10, "lanczos3"));
  t.equal(sharper.length, 100);
  t.notSame(sharper, record);
  const constant = image(new Uint8Array(4).fill(9), 1);
  await t.rejects(prepareImage(constant, options(1)), { code: "E_FILE_CONTENT" });
});

t.test("records and digests of the recipes", async (t) => {
  t.same(
    recipeNames.map((name) => [name, recordFormat(name, preprocessing).shape]),
    [
      ["report", [112]],
      ["xray", [224, 224, 1]],
      ["pathology", [224, 224, 3]],
      ["ct", [16, 192, 192]],
      ["mri", [16, 192, 192]],
    ],
  );
  t.equal(recordFormat("ct", preprocessing).scale, 1 / 1024);
  const digest = (changes: Record<string, unknown>, tokenizer?: string) =>
    parametersDigest(
      parameters(
        "report",
        packDefaults({ preprocessing: { report: changes } }).preprocessing,
        tokenizer,
      ),
    );
  t.equal(digest({}), digest({ cleaning: "published" }));
  t.not(digest({}), digest({ cleaning: "plain" }));
  t.not(digest({}, "a"), digest({}, "b"));
});
