/** `medcoss convert`: checkpoints between PyTorch and safetensors, and encoders for other tools. */
import type { Command } from "commander";
import { type Conversion, convert } from "../checkpoints/convert.js";
import type { EncoderExport } from "../config/features.js";
import { MedcossError } from "../errors.js";
import { exportEncoder } from "../features/encoder.js";
import { printJson, runCommand } from "./common.js";

interface Options extends Pick<EncoderExport, "model" | "preset"> {
  encoderOnly?: boolean;
  force?: boolean;
  json?: boolean;
}

function run(from: string, out: string, options: Options): Promise<Conversion> {
  const { encoderOnly, model, preset, force } = options;
  if (encoderOnly) return exportEncoder({ from, out, model, preset, force });
  if (model === undefined && preset === undefined) return convert(from, out, { force });
  const field = model === undefined ? "--preset" : "--model";
  throw new MedcossError("E_CONFIG", { field, problem: "is for --encoder-only" });
}

export function register(program: Command): void {
  program
    .command("convert")
    .description("convert a checkpoint: PyTorch .pth to .safetensors, or back")
    .argument("<in>", "a .pth file, a .safetensors file or a checkpoint folder")
    .argument("<out>", "the file to write, whose ending decides the form; or a folder")
    .option("--encoder-only", "write encoder and embeddings with a config.json into the folder out")
    .option("--preset <name>", "behaviour that config.json tells (default: the checkpoint's)")
    .option("--model <size>", "size of the encoder (default: the checkpoint's)")
    .option("--force", "replace what is at out; never the input")
    .option("--json", "print the result as JSON")
    .action((input: string, output: string, options: Options) =>
      runCommand(async () => {
        const done = await run(input, output, options);
        if (options.json) return printJson(done);
        process.stdout.write(`${done.tensors} tensors, ${done.values} values -> ${done.output}\n`);
      }),
    );
}
