/** The first word of a persona is its voice (`commentary.ts`); the rest is for people. */
export const defaultAgents = [
  { name: "Ledger", persona: "clerk: reports what happened, in numbers", activity_level: 0.9 },
  { name: "Vex", persona: "hawk: circles over the biggest positions", activity_level: 0.8 },
  { name: "Marrow", persona: "gloomy: has seen all of this before", activity_level: 0.6 },
  { name: "Sunny", persona: "cheerful: there is always a bounce", activity_level: 0.5 },
] as const;
