/** This package's worker of the pack case. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { allocateView } from "../../lib/data/dataset.js";
import { pack } from "../../lib/data/pack/index.js";
import { openStore } from "../../lib/data/store.js";
import type { PackConfiguration } from "../cases/pack.js";
import type { Outcome } from "../harness/variant.js";
import { type Contestant, serve, timed } from "./serve.js";

class Packing implements Contestant {
  readonly #configuration: PackConfiguration;
  readonly #folder = mkdtempSync(join(tmpdir(), "medcoss-packed-"));
  #note = "";

  constructor(configuration: PackConfiguration) {
    this.#configuration = configuration;
  }

  async #pack(out: string): Promise<void> {
    const { recipe, folder, threads } = this.#configuration;
    const sources = [{ modality: recipe, recipe, path: folder }];
    const { modalities } = await pack({ out, sources, workers: threads, strict: true });
    this.#note = `${recipe}: ${modalities[0]?.added} records of ${modalities[0]?.files} volumes`;
  }

  async check(): Promise<Outcome> {
    const out = join(this.#folder, "checked");
    await this.#pack(out);
    await using store = await openStore(out);
    const data = store.dataset(this.#configuration.recipe, "all");
    const view = allocateView(data.record);
    let [mean, square] = [0, 0];
    for (let i = 0; i < data.length; i++) {
      await data.read(i, view);
      let [sum, squares] = [0, 0];
      for (const value of view.data as Int16Array | Float32Array) {
        sum += value;
        squares += value * value;
      }
      mean += sum / view.data.length / data.length;
      square += squares / view.data.length / data.length;
    }
    // Z-scores have mean 0, which no relative difference holds against.
    const deviation = Math.sqrt(square - mean * mean);
    return { records: data.length, mean: mean + 10 * deviation, deviation };
  }

  async step(number: number): Promise<number> {
    const out = join(this.#folder, String(number));
    const seconds = await timed(() => this.#pack(out));
    rmSync(out, { recursive: true });
    return seconds;
  }

  note(): string {
    return this.#note;
  }

  async close(): Promise<void> {
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

await serve(async (configuration: PackConfiguration) => new Packing(configuration));
