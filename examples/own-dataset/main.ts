/** Training on records of one's own: here pictures of random discs, painted when they are asked for. */
import { type Dataset, models, trainStage } from "medcoss";

const SIZE = 224;

/** A fixed pseudo-random number in [0, 1) for record `index`. */
const random = (index: number, draw: number) =>
  Math.abs(Math.sin(index * 78.233 + draw * 37.719) * 43758.5453) % 1;

const discs: Dataset = {
  kind: "image2d",
  length: 64,
  record: { dtype: "u8", shape: [SIZE, SIZE, 3] },
  read(index, { data }) {
    const [x = 0, y = 0, radius = 0] = [0, 1, 2].map((draw) => SIZE * random(index, draw));
    for (let i = 0; i < SIZE * SIZE; i++) {
      const inside = Math.hypot((i % SIZE) - x, Math.floor(i / SIZE) - y) < radius;
      data.fill(inside ? 220 : 30, i * 3, i * 3 + 3);
    }
  },
};

const result = await trainStage({
  modality: "discs",
  data: discs,
  out: "runs/discs",
  model: models.tiny(),
  maxSteps: 20,
  batchSize: 8,
});
console.log(result.trainingLoss, result.reconstructions);
