import { availableParallelism } from "node:os";
import t from "tap";
import { countCores, physicalCores } from "../../lib/config/threads.js";

const thread = (chip: number, core: number) =>
  `processor : 0\nphysical id\t: ${chip}\ncore id\t\t: ${core}\n`;

t.equal(countCores([thread(0, 0), thread(0, 1), thread(0, 0), thread(1, 0)].join("\n")), 3);
t.equal(countCores("processor : 0\nmodel name : x\n"), 0);
const cores = physicalCores();
t.ok(cores >= 1 && cores <= availableParallelism());
