import t from "tap";
import { Trainer } from "../../lib/trainer.js";
import { key, microOptions, plain, textBatch } from "../helpers/trainer.js";

const CYCLES = 1000;
const WARM_UP = 100;
/** Far below what one leaked network per cycle would take (about 60 KB with its optimiser, 54 MB in all). */
const GROWTH_LIMIT = 24e6;

// Seconds on a free machine; room for a busy one.
t.setTimeout(120_000);

t.test(
  `${CYCLES} times create, train, close leave nothing behind`,
  { timeout: 120_000 },
  async (t) => {
    const batch = textBatch(1, 4);
    let before = 0;
    for (let i = 0; i < CYCLES; i++) {
      const trainer = await Trainer.create(microOptions({ seed: i }));
      await trainer.trainStep(batch, key(0), plain);
      await trainer.close();
      if (i === WARM_UP) before = process.memoryUsage.rss();
    }
    const grown = process.memoryUsage.rss() - before;
    t.comment(`resident memory grew by ${(grown / 1e6).toFixed(1)} MB`);
    t.ok(grown < GROWTH_LIMIT);
  },
);
