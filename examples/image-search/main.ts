/**
 * Nearest neighbours of a picture: a folder of images is packed and embedded, LanceDB finds the most alike.
 * Usage: npx tsx main.ts FOLDER CHECKPOINT
 */
import { readFile } from "node:fs/promises";
import { connect } from "@lancedb/lancedb";
import { embed, pack } from "medcoss";

const [folder = "images", checkpoint = "medcoss-demo/run"] = process.argv.slice(2);

await pack({
  out: "search/store",
  sources: [{ modality: "images", recipe: "xray", path: folder }],
});
const { values, width } = await embed({
  store: "search/store",
  modality: "images",
  checkpoint,
  out: "search/images.npy",
});
const lines = (await readFile("search/images.jsonl", "utf8")).trim().split("\n");
const rows = lines.map((line, i) => ({
  source: String(JSON.parse(line).source),
  vector: [...values.subarray(i * width, (i + 1) * width)],
}));

const database = await connect("search/lancedb");
const table = await database.createTable("images", rows, { mode: "overwrite" });
const [query] = rows;
if (!query) throw new Error("the folder has no images");
const nearest = await table.search(query.vector).limit(5).toArray();
console.log(`Most like ${query.source}:`);
for (const { source, _distance } of nearest) console.log(`  ${_distance.toFixed(4)}  ${source}`);
