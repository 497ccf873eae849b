/**
 * Radiology reports from a small grammar: each sentence states one fact of a chest case, in one of several wordings.
 *
 * Invariant: a report says what its case holds and nothing against it.
 */
import { type ChestCase, isEnlarged } from "./cases.js";
import { Dice } from "./dice.js";

/** The two free-text columns of a report. */
export interface Report {
  findings: string;
  impression: string;
}

function heart(chest: ChestCase, dice: Dice): string {
  if (!isEnlarged(chest)) {
    return dice.pick([
      "The heart size is normal.",
      "Heart size and mediastinal contours are within normal limits.",
      "The cardiomediastinal silhouette is within normal limits.",
      "Cardiac and mediastinal contours are normal.",
    ]);
  }
  const degree = chest.heart > 0.59 ? dice.pick(["moderately", "markedly"]) : "mildly";
  return dice.pick([
    `The heart is ${degree} enlarged.`,
    `The cardiac silhouette is ${degree} enlarged.`,
    `Heart size is ${degree} increased, with a normal aortic contour.`,
  ]);
}

function effusionSize(size: number): string {
  if (size < 0.15) return "small";
  return size < 0.28 ? "moderate" : "large";
}

function pleura(chest: ChestCase, dice: Dice): string {
  const { effusion } = chest;
  if (!effusion) {
    return dice.pick([
      "There is no pleural effusion or pneumothorax.",
      "No pneumothorax or pleural effusion is seen.",
      "The costophrenic angles are sharp. No pneumothorax.",
    ]);
  }
  const size = effusionSize(effusion.size);
  return dice.pick([
    `There is a ${size} ${effusion.side} pleural effusion. No pneumothorax.`,
    `Blunting of the ${effusion.side} costophrenic angle, consistent with a ${size} effusion.`,
    `A ${size} pleural effusion is present on the ${effusion.side}, with adjacent atelectasis.`,
  ]);
}

function lungs(chest: ChestCase, dice: Dice): string {
  const { opacity } = chest;
  if (!opacity) {
    return dice.pick([
      "The lungs are clear.",
      "Both lungs are clear and well expanded.",
      "No focal consolidation is identified.",
      "The lungs are free of focal airspace disease.",
    ]);
  }
  const where = `${opacity.side} ${opacity.lobe} ${dice.pick(["lung zone", "lobe"])}`;
  const kind = opacity.strength > 0.7 ? "dense consolidation" : "patchy airspace opacity";
  return dice.pick([
    `There is ${kind} in the ${where}.`,
    `A focal area of ${kind} is seen in the ${where}.`,
    `The ${where} shows ${kind}, not present before.`,
  ]);
}

function vessels(chest: ChestCase, dice: Dice): string {
  if (chest.edema) {
    return dice.pick([
      "The pulmonary vasculature is congested with interstitial edema.",
      "Increased interstitial markings and vascular congestion are present.",
    ]);
  }
  if (chest.hyperinflated) {
    return dice.pick([
      "The lungs are hyperinflated with flattened diaphragms.",
      "Hyperexpanded lungs, as seen in chronic obstructive disease.",
    ]);
  }
  return dice.pick([
    "The pulmonary vasculature is normal.",
    "Pulmonary vascularity is unremarkable.",
  ]);
}

function bones(chest: ChestCase, dice: Dice): string {
  if (chest.scoliosis) return "There is scoliosis of the thoracic spine.";
  return dice.pick([
    "The osseous structures are intact.",
    "No acute bony abnormality.",
    "Mild degenerative changes of the thoracic spine.",
  ]);
}

function devices(chest: ChestCase, dice: Dice): string[] {
  const lines: string[] = [];
  if (chest.catheter) {
    lines.push(
      dice.pick([
        "The tip of the right central venous catheter is in the superior vena cava.",
        "A right internal jugular catheter ends in the superior vena cava.",
      ]),
    );
  }
  if (chest.pacemaker) lines.push("A left chest pacemaker is in unchanged position.");
  return lines;
}

function impression(chest: ChestCase, dice: Dice): string {
  const points: string[] = [];
  if (chest.opacity) {
    const side = chest.opacity.side;
    points.push(
      `${side} ${chest.opacity.lobe} lobe ${dice.pick(["pneumonia", "airspace disease"])}`,
    );
  }
  if (chest.effusion) {
    points.push(`${effusionSize(chest.effusion.size)} ${chest.effusion.side} pleural effusion`);
  }
  if (isEnlarged(chest))
    points.push(chest.edema ? "cardiomegaly with pulmonary edema" : "cardiomegaly");
  if (chest.hyperinflated) points.push("hyperinflation without acute disease");
  if (points.length === 0) {
    return dice.pick([
      "No acute cardiopulmonary process.",
      "No acute cardiopulmonary abnormality.",
      "Normal chest radiograph.",
    ]);
  }
  return points
    .map((point, i) => `${i + 1}. ${(point[0] as string).toUpperCase()}${point.slice(1)}.`)
    .join(" ");
}

/** The report of a case. */
export function writeReport(chest: ChestCase, seed: number, index: number): Report {
  const dice = new Dice(seed, "report", index);
  const opening = [...devices(chest, dice), heart(chest, dice)];
  const rest = [lungs, vessels, pleura, bones].map((sentence) => sentence(chest, dice));
  if (dice.chance(0.3)) rest.push(rest.shift() as string);
  const view = dice.pick([
    "PA and lateral views of the chest.",
    "Single frontal view of the chest.",
    "",
  ]);
  return {
    findings: [view, ...opening, ...rest].filter(Boolean).join(" "),
    impression: impression(chest, dice),
  };
}

/** CSV text with the columns case, findings and impression. */
export function reportsTable(cases: readonly ChestCase[], seed: number): string {
  const quote = (text: string) => (/[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  const rows = cases.map((chest, index) => {
    const { findings, impression } = writeReport(chest, seed, index);
    return [chest.id, findings, impression].map(quote).join(",");
  });
  return `${["case,findings,impression", ...rows].join("\n")}\n`;
}
