/** What ptxas says of each kernel, run with `--verbose`: names as they are in its text, mangled or not. */

/**
 * @typedef {object} Kernel
 * @property {string} kernel
 * @property {string} target for example `90a`
 * @property {number} registers of a thread
 * @property {number} shared bytes of a block that are reserved when it is compiled
 * @property {number} spilled bytes of a thread, written and read
 */

/** @param {string} text @returns {Kernel[]} */
export function kernelsIn(text) {
  const parts = text.split("Compiling entry function").slice(1);
  return parts.map((part) => {
    const found = (/** @type {RegExp} */ pattern) => pattern.exec(part)?.[1] ?? "";
    return {
      kernel: found(/^ '(.*)' for 'sm_/m),
      target: found(/' for 'sm_(\w+)'/),
      registers: Number(found(/Used (\d+) registers/)),
      shared: Number(found(/(\d+) bytes smem/)),
      spilled: Number(found(/(\d+) bytes spill stores/)) + Number(found(/(\d+) bytes spill loads/)),
    };
  });
}

/** A name in plain text without arguments and namespaces. @param {string} kernel */
export const plainName = (kernel) =>
  kernel
    .replace(/^void /, "")
    .replace(/(medcoss::)?cuda::|\(anonymous namespace\)::/g, "")
    .replace(/\(\w+\)(?=\d)/g, "")
    .replace(/\(.*$/, "")
    .replaceAll(" >", ">");
