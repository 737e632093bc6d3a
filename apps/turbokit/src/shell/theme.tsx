import { useState } from "react";
import { Icon, type IconName } from "./icons.tsx";

const themes: readonly { readonly name: "light" | "system" | "dark"; readonly icon: IconName }[] = [
  { name: "light", icon: "sun" },
  { name: "system", icon: "screen" },
  { name: "dark", icon: "moon" },
];
const storageKey = "turbokit:theme";

/** Light, dark, or as the system has it. `index.html` applies the choice before the first paint. */
export function ThemeChoice() {
  const [chosen, setChosen] = useState(() => localStorage.getItem(storageKey) ?? "system");
  return (
    <fieldset className="themes">
      <legend className="hidden">Theme</legend>
      {themes.map(({ name, icon }) => (
        <label key={name} title={`Theme: ${name}`}>
          <input
            type="radio"
            name="theme"
            className="hidden"
            checked={chosen === name}
            onChange={() => {
              localStorage.setItem(storageKey, name);
              document.documentElement.dataset["theme"] = name;
              setChosen(name);
            }}
          />
          <Icon name={icon} />
          <span className="hidden">{name}</span>
        </label>
      ))}
    </fieldset>
  );
}
