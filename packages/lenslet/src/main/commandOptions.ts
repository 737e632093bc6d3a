import { Option } from "commander";

export function dataOption(description = "data folder (LENSLET_DATA)"): Option {
  return new Option("--data <folder>", description).default(process.env["LENSLET_DATA"] ?? ".lenslet");
}
