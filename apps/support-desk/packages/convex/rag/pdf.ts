"use node";

import { v } from "convex/values";
import { extractText, getDocumentProxy } from "unpdf";
import { internalAction } from "../_generated/server.js";

const pagesMax = 500;

/** The text of an uploaded PDF, page by page. */
export const textOfPdf = internalAction({
  args: { fileId: v.id("_storage") },
  returns: v.string(),
  handler: async (ctx, { fileId }) => {
    const file = await ctx.storage.get(fileId);
    if (file === null) throw new Error("The file is not there any more: upload it again.");
    const pdf = await getDocumentProxy(new Uint8Array(await file.arrayBuffer()));
    if (pdf.numPages > pagesMax)
      throw new Error(`A PDF may have at most ${pagesMax} pages; this has ${pdf.numPages}.`);
    const { text } = await extractText(pdf, { mergePages: false });
    return text.join("\n\n");
  },
});
