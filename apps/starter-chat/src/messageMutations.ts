import type { OptimisticLocalStore } from "convex/browser";
import { insertAtTop, useMutation } from "convex/react";
import { useMemo } from "react";
import { api } from "../convex/_generated/api.js";
import type { Id } from "../convex/_generated/dataModel.js";
import { flatten, preview } from "../convex/model/parts.ts";
import type { Account, Message } from "../convex/model/views.ts";

// Mutations that show their effect at once. The client takes the guess back when the server's answer is there.

const getChatMessages = api.functions.queries.messages.getChatMessages;

export function useSendMessage(account: Account) {
  const mutation = useMutation(api.functions.mutations.messages.sendMessage);
  return useMemo(
    () =>
      mutation.withOptimisticUpdate((store, { chatId, parts = [], parentMessageId }) => {
        const parent =
          parentMessageId === undefined ? undefined : loadedMessage(store, chatId, parentMessageId);
        insertAtTop({
          paginatedQuery: getChatMessages,
          argsToMatch: { chatId, order: "desc" },
          localQueryStore: store,
          item: {
            _id: crypto.randomUUID() as Id<"messages">,
            _creationTime: Date.now(),
            chatId,
            userId: account._id,
            role: "user",
            parts,
            content: flatten(parts),
            status: "sending",
            edited: false,
            threadLevel: parent === undefined ? 0 : parent.threadLevel + 1,
            parent:
              parent === undefined
                ? null
                : { _id: parent._id, preview: preview(parent.content), author: parent.author },
            author: {
              _id: account._id,
              name: account.name,
              ...(account.image === undefined ? {} : { image: account.image }),
            },
          },
        });
      }),
    [mutation, account],
  );
}

export function useUpdateMessage() {
  const mutation = useMutation(api.functions.mutations.messages.updateMessage);
  return useMemo(
    () =>
      mutation.withOptimisticUpdate((store, { messageId, parts = [] }) => {
        changePages(store, messageId, (page) =>
          page.map((message) =>
            message._id === messageId
              ? { ...message, parts, content: flatten(parts), edited: true, status: "sending" as const }
              : message,
          ),
        );
      }),
    [mutation],
  );
}

export function useDeleteMessage() {
  const mutation = useMutation(api.functions.mutations.messages.deleteMessage);
  return useMemo(
    () =>
      mutation.withOptimisticUpdate((store, { messageId }) => {
        changePages(store, messageId, (page) => page.filter(({ _id }) => _id !== messageId));
      }),
    [mutation],
  );
}

/** Changes the loaded pages that have this message: those of a window at the end, and of one in the middle. */
function changePages(
  store: OptimisticLocalStore,
  messageId: Id<"messages">,
  change: (page: readonly Message[]) => Message[],
): void {
  for (const { args, value } of store.getAllQueries(getChatMessages))
    if (value?.page.some(({ _id }) => _id === messageId) === true)
      store.setQuery(getChatMessages, args, { ...value, page: change(value.page) });
}

function loadedMessage(
  store: OptimisticLocalStore,
  chatId: Id<"chats">,
  messageId: Id<"messages">,
): Message | undefined {
  return store
    .getAllQueries(getChatMessages)
    .filter(({ args }) => args.chatId === chatId)
    .flatMap(({ value }) => value?.page ?? [])
    .find(({ _id }) => _id === messageId);
}
