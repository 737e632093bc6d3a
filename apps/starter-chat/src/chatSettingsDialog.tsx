import { useMutation, useQuery } from "convex/react";
import { useId, useState } from "react";
import { api } from "../convex/_generated/api.js";
import { limits } from "../convex/model/limits.ts";
import type { ChatDetails } from "../convex/model/views.ts";
import { Dialog, FormFailure, useSubmit } from "./dialog.tsx";
import { TagsField } from "./tagsField.tsx";

type SettingName = "temperature" | "maxTokens" | "topP" | "frequencyPenalty" | "presencePenalty";

interface SettingField {
  readonly name: SettingName;
  readonly label: string;
  readonly hint: string;
  readonly min: number;
  readonly max: number;
  readonly step: number;
}

const common: readonly SettingField[] = [
  {
    name: "temperature",
    label: "Temperature",
    hint: "0 is sober, 2 is wild.",
    min: 0,
    max: limits.temperatureMax,
    step: 0.1,
  },
  {
    name: "maxTokens",
    label: "Longest answer",
    hint: "In tokens, about four letters each.",
    min: 1,
    max: limits.tokensMax,
    step: 1,
  },
];
const rare: readonly SettingField[] = [
  { name: "topP", label: "Top P", hint: "How much of what is likely counts.", min: 0, max: 1, step: 0.05 },
  {
    name: "frequencyPenalty",
    label: "Frequency penalty",
    hint: "Above 0: fewer repeated words.",
    min: -limits.penaltyMax,
    max: limits.penaltyMax,
    step: 0.1,
  },
  {
    name: "presencePenalty",
    label: "Presence penalty",
    hint: "Above 0: more new subjects.",
    min: -limits.penaltyMax,
    max: limits.penaltyMax,
    step: 0.1,
  },
];

/** How the assistant answers in a chat, and how the chat is found again. For its owner. */
export function ChatSettingsDialog({ chat, onClose }: { chat: ChatDetails; onClose: () => void }) {
  const [title, setTitle] = useState(chat.title ?? "");
  const [model, setModel] = useState(chat.model ?? "");
  const [systemPrompt, setSystemPrompt] = useState(chat.systemPrompt ?? "");
  const [settings, setSettings] = useState<Partial<Record<SettingName, string>>>(() => textsOf(chat));
  const [tags, setTags] = useState<readonly string[]>(chat.tags);
  const [isArchived, setArchived] = useState(chat.isArchived);
  const available = useQuery(api.functions.queries.chats.getAvailableModels, {});
  const updateChat = useMutation(api.functions.mutations.chats.updateChat);
  const { run, failure, isBusy } = useSubmit(onClose);
  const id = useId();
  const models = new Set([...(available?.models ?? []), ...(chat.model === undefined ? [] : [chat.model])]);

  const save = () =>
    updateChat({
      chatId: chat._id,
      title: title.trim() === "" ? null : title,
      model: model === "" ? null : model,
      systemPrompt: systemPrompt.trim() === "" ? null : systemPrompt,
      settings: Object.fromEntries(
        [...common, ...rare].map(({ name }) => [name, numberOf(settings[name] ?? "")]),
      ),
      tags: [...tags],
      isArchived,
    });
  const setting = (field: SettingField) => (
    <NumberField
      key={field.name}
      field={field}
      value={settings[field.name] ?? ""}
      onChange={(value) => setSettings({ ...settings, [field.name]: value })}
    />
  );

  return (
    <Dialog title="Chat settings" onClose={onClose} size="wide">
      <form className="form-grid" onSubmit={(event) => run(event, save)}>
        <div className="wide-field">
          <label htmlFor={`${id}-title`}>Title</label>
          <input
            id={`${id}-title`}
            value={title}
            maxLength={limits.titleLengthMax}
            placeholder="From the first message"
            onChange={(event) => setTitle(event.target.value)}
          />
        </div>
        <div className="wide-field">
          <label htmlFor={`${id}-tags`}>Tags</label>
          <TagsField id={`${id}-tags`} tags={tags} onChange={setTags} />
        </div>
        <fieldset className="wide-field form-grid">
          <legend>The assistant</legend>
          {available?.isStandIn === true && (
            <p className="notice wide-field">
              No language model is connected to this server: a stand-in answers. The settings count once there
              is one.
            </p>
          )}
          <div className="wide-field">
            <label htmlFor={`${id}-model`}>Model</label>
            <select id={`${id}-model`} value={model} onChange={(event) => setModel(event.target.value)}>
              <option value="">The server&rsquo;s own choice</option>
              {[...models].map((name) => (
                <option key={name} value={name}>
                  {name}
                </option>
              ))}
            </select>
          </div>
          <div className="wide-field">
            <label htmlFor={`${id}-prompt`}>
              What it should always keep in mind
              <span className="counter">
                {systemPrompt.length.toLocaleString()} of {limits.systemPromptLengthMax.toLocaleString()}
              </span>
            </label>
            <textarea
              id={`${id}-prompt`}
              rows={4}
              value={systemPrompt}
              maxLength={limits.systemPromptLengthMax}
              placeholder="You are a patient teacher. Answer in short steps."
              onChange={(event) => setSystemPrompt(event.target.value)}
            />
          </div>
          {common.map(setting)}
          <details
            className="wide-field more-settings"
            open={rare.some(({ name }) => settings[name] !== undefined)}
          >
            <summary>More settings</summary>
            <div className="form-grid">{rare.map(setting)}</div>
          </details>
        </fieldset>
        <label className="check wide-field">
          <input
            type="checkbox"
            checked={isArchived}
            onChange={(event) => setArchived(event.target.checked)}
          />
          <span>In the archive: off the list, still found by search</span>
        </label>
        <FormFailure text={failure} />
        <div className="dialog-actions wide-field">
          <button type="button" onClick={onClose}>
            Cancel
          </button>
          <button type="submit" className="primary" disabled={isBusy}>
            Save
          </button>
        </div>
      </form>
    </Dialog>
  );
}

/** A number that can be left to the model. */
function NumberField({
  field: { label, hint, min, max, step },
  value,
  onChange,
}: {
  field: SettingField;
  value: string;
  onChange: (value: string) => void;
}) {
  const id = useId();
  return (
    <div>
      <label htmlFor={id}>{label}</label>
      <input
        id={id}
        type="number"
        inputMode="decimal"
        min={min}
        max={max}
        step={step === 1 ? 1 : "any"}
        placeholder="The model's own"
        aria-describedby={`${id}-hint`}
        value={value}
        onChange={(event) => onChange(event.target.value)}
      />
      <p className="field-hint" id={`${id}-hint`}>
        {hint}
      </p>
    </div>
  );
}

function textsOf({ settings }: ChatDetails): Partial<Record<SettingName, string>> {
  return Object.fromEntries(Object.entries(settings ?? {}).map(([name, value]) => [name, String(value)]));
}

function numberOf(text: string): number | null {
  return text.trim() === "" ? null : Number(text);
}
