import t from "tap";
import { nearest } from "../../lib/config/nearest.js";

const names = ["epochs", "maxSteps", "batchSize", "seed"];

t.equal(nearest("epoch", names), "epochs");
t.equal(nearest("batchsize", names), "batchSize");
t.equal(nearest("sede", names), "seed", "swapped letters count once");
t.equal(nearest("maxsteps", names), "maxSteps");
t.equal(nearest("learning", names), undefined);
t.equal(nearest("x", []), undefined);
