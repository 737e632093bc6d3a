/** What a form in Stripe's notation says: `a[b][0]=c` is `{a: {b: {0: "c"}}}`. */
export interface FormFields {
  readonly [name: string]: string | FormFields;
}

const depthMax = 10;

export function formFields(text: string): FormFields {
  const fields: Record<string, string | FormFields> = Object.create(null) as Record<
    string,
    string | FormFields
  >;
  for (const [path, value] of new URLSearchParams(text)) {
    const names = path.split(/[[\]]+/).filter((name) => name !== "");
    const last = names.pop();
    if (last === undefined || names.length >= depthMax) continue;
    let place = fields;
    for (const name of names) {
      const inner = typeof place[name] === "object" ? place[name] : Object.create(null);
      place[name] = inner as FormFields;
      place = inner as Record<string, string | FormFields>;
    }
    place[last] = value;
  }
  return fields;
}
