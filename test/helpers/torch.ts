/** A Python with PyTorch, for tests against the real thing. */
import { spawnSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const imports = (python: string, module: string) =>
  spawnSync(python, ["-c", `import ${module}`]).status === 0;

/** The Python of MEDCOSS_TEST_PYTHON or of the path, if it has torch. */
export function findTorch(): string | undefined {
  const python = process.env.MEDCOSS_TEST_PYTHON ?? "python3";
  return imports(python, "torch") ? python : undefined;
}

/** What `safetensors.torch.load_file` does, for float32. */
const loader = `import json, struct, torch
def load_file(path):
    data = open(path, "rb").read()
    size = struct.unpack("<Q", data[:8])[0]
    def tensor(entry):
        begin, end = entry["data_offsets"]
        values = torch.frombuffer(bytearray(data[8 + size + begin : 8 + size + end]), dtype=torch.float32)
        return values.reshape(entry["shape"])
    return {name: tensor(entry) for name, entry in json.loads(data[8 : 8 + size]).items()}
`;

/** PYTHONPATH under which `safetensors` can be imported: a reader of its format where the package is missing. */
export function withSafetensors(python: string, folder: string): string {
  const before = process.env.PYTHONPATH ?? "";
  if (imports(python, "safetensors.torch")) return before;
  const root = join(folder, "python");
  mkdirSync(join(root, "safetensors"), { recursive: true });
  writeFileSync(join(root, "safetensors", "__init__.py"), "");
  writeFileSync(join(root, "safetensors", "torch.py"), loader);
  return [root, before].filter(Boolean).join(":");
}
