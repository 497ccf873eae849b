/**
 * The prebuilt binaries: the local build's binaries with the digest of their sources and the licences of what they contain.
 */
import { copyFileSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { binaries, hasLocalBuild, hasPrebuild, nativeDigest } from "../setup/native.mjs";

/** @param {string} root */
export const prebuildFolder = (root) => join(root, "prebuilds", `linux-${process.arch}`);

/** Licences of the headers that are compiled in and of libjpeg-turbo; the other libraries come with npm and LibTorch. @param {string} root @param {string} libtorch */
function licences(root, libtorch) {
  const site = join(libtorch, "..");
  const info = readdirSync(site).find((name) => /^torch-.*\.dist-info$/.test(name)) ?? "";
  const runtime = readdirSync(site).find((name) => /^nvidia_cuda_runtime-/.test(name)) ?? "";
  const texts = {
    "node-addon-api": join(root, "node_modules/node-addon-api/LICENSE.md"),
    "node-api-headers": join(root, "node_modules/node-api-headers/LICENSE"),
    "libjpeg-turbo (libturbojpeg.so.0)": join(root, "scripts/release/libjpeg-turbo.txt"),
    "CUDA runtime (headers)": join(site, runtime, "licenses/License.txt"),
    PyTorch: join(site, info, "licenses/LICENSE"),
  };
  return Object.entries(texts)
    .map(([name, file]) => `${name}\n${"=".repeat(name.length)}\n\n${readFileSync(file, "utf8")}`)
    .join("\n\n");
}

/** @param {string} root @param {import("../../lib/native/libtorch/find.mjs").Libtorch} libtorch */
export function copyPrebuilds(root, libtorch) {
  const digest = nativeDigest(root, libtorch.version);
  const folder = prebuildFolder(root);
  if (!hasLocalBuild(root, binaries)) {
    if (hasPrebuild(root, digest)) return;
    const names = binaries.join(", ");
    throw new Error(
      `There is no build of these sources with ${names}. Run: npm run setup -- --cuda`,
    );
  }
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  for (const name of binaries) {
    copyFileSync(join(root, "build/native/Release", name), join(folder, name));
  }
  writeFileSync(join(folder, "LICENSES.txt"), licences(root, libtorch.path));
  writeFileSync(join(folder, "sources.sha256"), `${digest}\n`);
}
