import { useMutation } from "convex/react";
import { useCallback } from "react";
import { api } from "../convex/_generated/api.js";
import { openChat } from "./route.ts";
import { useAttempt } from "./toasts.tsx";

/** Starts a chat and opens it. */
export function useCreateChat(): () => void {
  const createChat = useMutation(api.functions.mutations.chats.createChat);
  const attempt = useAttempt();
  return useCallback(() => attempt(async () => openChat(await createChat({}))), [attempt, createChat]);
}
