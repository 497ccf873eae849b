/** `medcoss convert`: checkpoints between PyTorch and safetensors. */
import type { Command } from "commander";
import { convert } from "../checkpoints/convert.js";
import { printJson, runCommand } from "./common.js";

export function register(program: Command): void {
  program
    .command("convert")
    .description("convert a checkpoint: PyTorch .pth to .safetensors, or back")
    .argument("<in>", "a .pth file, a .safetensors file or a checkpoint folder")
    .argument("<out>", "the file to write; its ending decides the form")
    .option("--json", "print the result as JSON")
    .action((input: string, output: string, options: { json?: boolean }) =>
      runCommand(async () => {
        const done = await convert(input, output);
        if (options.json) return printJson(done);
        process.stdout.write(`${done.tensors} tensors, ${done.values} values -> ${done.output}\n`);
      }),
    );
}
