import { expect, it } from "vitest";
import { ChannelModel } from "./channelModel.ts";

/** The model is worth something only if it notices what must not happen. */

function model(): ChannelModel {
  const model = new ChannelModel();
  model.answered(1, { type: "send", key: "a", body: "A" });
  model.answered(2, { type: "send", key: "b", body: "B" });
  model.answered(3, { type: "edit", key: "a", body: "A2" });
  model.answered(4, { type: "remove", key: "b" });
  return model;
}
const at2 = [
  { key: "a", body: "A" },
  { key: "b", body: "B" },
];

it("accepts what a correct server shows, in steps of any size, with optimistic messages", () => {
  const sound = model();
  sound.shown("x", { version: 0, messages: [{ key: "a", body: "A", isPending: true }] });
  sound.shown("x", { version: 2, messages: at2 });
  sound.shown("x", { version: 2, messages: [...at2, { key: "c", body: "C", isPending: true }] });
  sound.shown("x", { version: 4, messages: [{ key: "a", body: "A2" }] });
  expect(sound.check()).toEqual([]);
  expect(sound.final()).toEqual({ version: 4, messages: [{ key: "a", body: "A2" }] });
});

it.each<[string, RegExp, (model: ChannelModel) => void]>([
  [
    "a step back in time",
    /x went back from version 2 to 1/,
    (doctored) => {
      doctored.shown("x", { version: 2, messages: at2 });
      doctored.shown("x", { version: 1, messages: at2.slice(0, 1) });
    },
  ],
  [
    "a message twice",
    /x shows a message twice/,
    (doctored) => doctored.shown("x", { version: 1, messages: [at2[0] as never, at2[0] as never] }),
  ],
  [
    "a lost message",
    /"b=B" instead of "a=A, b=B"/,
    (doctored) => doctored.shown("x", { version: 2, messages: at2.slice(1) }),
  ],
  [
    "an optimistic message taken for a real one",
    /x showed at version 1/,
    (doctored) => doctored.shown("x", { version: 1, messages: at2 }),
  ],
  [
    "a doubled mutation",
    /nobody was given version 5/,
    (doctored) => doctored.answered(6, { type: "remove", key: "a" }),
  ],
  [
    "two answers of one version",
    /given out twice/,
    (doctored) => doctored.answered(4, { type: "remove", key: "a" }),
  ],
])("notices %s", (_name, expected, doctor) => {
  const doctored = model();
  doctor(doctored);
  expect(doctored.check().join("\n")).toMatch(expected);
});
