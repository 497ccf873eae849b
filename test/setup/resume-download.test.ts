/**
 * A download that breaks off goes on where it stopped, with a real pip against a server of the test.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import t from "tap";
import { cacheFolder } from "../../lib/native/libtorch/find.mjs";
import { pipWheel } from "../../lib/native/libtorch/pins.mjs";
import { atLeast } from "../../lib/native/libtorch/pip.mjs";
import { installLibtorch } from "../../lib/native/libtorch.js";
import { fakePython } from "../helpers/fake-python.js";

t.setTimeout(120_000);
const NAME = "extra-1.0-py3-none-any.whl";
const pip = spawnSync("python3", ["-m", "pip", "--version"], { encoding: "utf8" });
const resumes = atLeast(/^pip (\S+)/.exec(pip.stdout ?? "")?.[1] ?? "0", [25, 1]);
/** What the set-up of this machine fetched, where its own pip is older. */
const newer = join(cacheFolder(), "tools", `pip-${pipWheel.version}`);
const skip = resumes || existsSync(newer) ? false : "there is no pip here that resumes a download";

/** A wheel that pip accepts, of two megabytes that do not compress. */
function writeWheel(folder: string): Buffer {
  const info = join(folder, "extra-1.0.dist-info");
  mkdirSync(info, { recursive: true });
  writeFileSync(join(info, "METADATA"), "Metadata-Version: 2.1\nName: extra\nVersion: 1.0\n");
  writeFileSync(
    join(info, "WHEEL"),
    "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
  );
  writeFileSync(join(info, "RECORD"), "");
  writeFileSync(join(folder, "extra.bin"), randomBytes(2e6));
  const contents = ["extra.bin", "extra-1.0.dist-info"];
  execFileSync("python3", ["-m", "zipfile", "-c", NAME, ...contents], { cwd: folder });
  return readFileSync(join(folder, NAME));
}

/** Serves an index with one wheel; the first answer breaks off in the middle. `ranges` gets what was asked for again. */
function handler(wheel: Buffer, ranges: string[]) {
  return (request: IncomingMessage, response: ServerResponse) => {
    if (!request.url?.endsWith(".whl")) {
      response.setHeader("content-type", "text/html").end(`<a href="/${NAME}">${NAME}</a>`);
      return;
    }
    const from = Number(/^bytes=(\d+)-/.exec(request.headers.range ?? "")?.[1] ?? 0);
    response.setHeader("accept-ranges", "bytes").setHeader("etag", '"wheel"');
    response.setHeader("content-length", wheel.length - from);
    if (from > 0) {
      ranges.push(request.headers.range as string);
      response.setHeader("content-range", `bytes ${from}-${wheel.length - 1}/${wheel.length}`);
      response.writeHead(206).end(wheel.subarray(from));
      return;
    }
    response.write(wheel.subarray(0, wheel.length / 2), () => response.destroy());
  };
}

t.test("the second request asks for the rest", { skip }, async (t) => {
  const folder = t.testdir();
  const python = fakePython(join(folder, "fake"));
  const wheel = writeWheel(join(folder, "extra"));
  const ranges: string[] = [];
  const server = createServer(handler(wheel, ranges)).listen(0, "127.0.0.1");
  t.teardown(() => server.close());
  await new Promise((listening) => server.once("listening", listening));
  const cache = join(folder, "cache");
  if (!resumes) cpSync(newer, join(cache, "tools", `pip-${pipWheel.version}`), { recursive: true });
  const env = {
    PATH: process.env.PATH,
    MEDCOSS_CACHE: cache,
    PIP_CONFIG_FILE: "/dev/null",
    PIP_INDEX_URL: `http://127.0.0.1:${(server.address() as AddressInfo).port}/simple/`,
  };
  const sha256 = createHash("sha256").update(wheel).digest("hex");
  const wheels = [...python.wheels, { name: "extra", version: "1.0", sha256 }];
  const set = { wheels, need: { download: 1, unpacked: 1 } };
  const { path } = await installLibtorch({ set, files: python.files, env });
  t.match(ranges, [/^bytes=\d{6,}-$/]);
  t.equal(readFileSync(join(path, "../extra.bin")).length, 2e6);
});
