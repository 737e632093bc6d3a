import type { FunctionReturnType } from "convex/server";
import { createContext, useContext } from "react";
import type { api } from "@repo/backend/api";

export type Me = NonNullable<FunctionReturnType<typeof api.users.me>>;

export const MeContext = createContext<Me | null>(null);

/** Whoever is signed in. Only below the shell, where there always is somebody. */
export function useMe(): Me {
  const me = useContext(MeContext);
  if (me === null) throw new Error("useMe is used outside of the shell");
  return me;
}
