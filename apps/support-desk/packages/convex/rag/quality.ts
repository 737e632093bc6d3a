import { v } from "convex/values";
import { internalAction } from "../_generated/server.js";
import { seedQuestions } from "../seed/documents.ts";
import { findPassages } from "./answer.ts";

/**
 * How good the search is on a set of questions with known answers, printed one by one: `npm run quality`, which is
 * `npx convex run rag/quality:measure`. Other questions than those of the demo are given as `questions`.
 */
export const measure = internalAction({
  args: { questions: v.optional(v.array(v.object({ question: v.string(), documentId: v.string() }))) },
  returns: v.object({
    questions: v.number(),
    /** Share of questions whose document is the first found, and among those found. */
    first: v.number(),
    found: v.number(),
    /** Mean of 1 / rank. */
    reciprocalRank: v.number(),
  }),
  handler: async (ctx, { questions = seedQuestions }) => {
    let [first, found, reciprocal] = [0, 0, 0];
    for (const { question, documentId } of questions) {
      const passages = await findPassages(ctx, question);
      const documents = [...new Set(passages.map(({ row }) => row.documentId))];
      const rank = documents.indexOf(documentId) + 1;
      if (rank === 1) first += 1;
      if (rank > 0) found += 1;
      reciprocal += rank === 0 ? 0 : 1 / rank;
      console.log(`${rank === 0 ? "missed" : `rank ${rank}`}  ${question}  ->  ${documents.join(", ")}`);
    }
    const share = (count: number) => (questions.length === 0 ? 0 : count / questions.length);
    return {
      questions: questions.length,
      first: share(first),
      found: share(found),
      reciprocalRank: share(reciprocal),
    };
  },
});
