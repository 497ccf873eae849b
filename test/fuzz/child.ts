/** The program of a fuzzing process: decodes a range of a target's inputs. */
import { beginFile } from "../../lib/data/pack/place.js";
import { tryInput } from "./target.js";

export interface FuzzRequest {
  target: string;
  seed: number;
  from: number;
  to: number;
  folder: string;
}

export interface FuzzReply {
  /** Number of inputs by what came of them. */
  outcomes: Record<string, number>;
  defects: Array<{ index: number; problem: string }>;
}

async function answer({ target, seed, from, to, folder }: FuzzRequest): Promise<FuzzReply> {
  const reply: FuzzReply = { outcomes: {}, defects: [] };
  for (let index = from; index < to; index++) {
    beginFile(index);
    const { result, defect } = await tryInput(target, seed, index, folder);
    reply.outcomes[result] = (reply.outcomes[result] ?? 0) + 1;
    if (defect !== undefined) reply.defects.push({ index, problem: defect });
  }
  return reply;
}

process.on("message", (request: FuzzRequest) => {
  void answer(request).then((reply) => process.send?.(reply));
});
process.on("disconnect", () => process.exit());
