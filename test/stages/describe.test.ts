import { join } from "node:path";
import t from "tap";
import { models } from "../../lib/config/models.js";
import { type Tensor, writeTensors } from "../../lib/safetensors.js";
import { describeCheckpoint } from "../../lib/stages/describe.js";

const tensor = (...shape: number[]): Tensor => ({
  dtype: "F32",
  shape,
  data: new Float32Array(shape.reduce((a, b) => a * b, 1)),
});

t.test("named sizes are known by width and layers, with and without a decoder", async (t) => {
  const size = models.small();
  const tensors = new Map([["cls_token", tensor(1, 1, size.encoderWidth)]]);
  for (let layer = 0; layer < size.encoderLayers; layer++) {
    tensors.set(`fused_encoder.layers.${layer}.gamma_1`, tensor(1));
  }
  const path = join(t.testdir(), "model.safetensors");
  await writeTensors(path, tensors);
  t.match(await describeCheckpoint(path, true), {
    model: "small",
    decoder: false,
    optimizer: false,
    step: undefined,
    verified: false,
    tensors: 13,
    parameters: 384 + 12,
  });
  tensors.set("mask_token", tensor(1, 1, size.decoderWidth));
  for (let block = 0; block < size.decoderLayers; block++) {
    tensors.set(`decoder_blocks.${block}.norm1.weight`, tensor(1));
  }
  await writeTensors(path, tensors);
  t.match(await describeCheckpoint(path, false), { model: "small", decoder: true });
  tensors.delete("decoder_blocks.0.norm1.weight");
  tensors.delete("decoder_blocks.3.norm1.weight");
  await writeTensors(path, tensors);
  t.match(await describeCheckpoint(path, false), { model: "384 x 12, decoder 256 x 3" });
});
