#!/usr/bin/env node
/** The executable: runs the command line on this process's arguments. */
import { main } from "./program.js";

await main(process.argv.slice(2));
