import type { Doc } from "../_generated/dataModel.js";

interface SeedDocument {
  readonly documentId: string;
  readonly title: string;
  readonly type: Doc<"knowledge">["type"];
  readonly content: string;
}

/** What a small repair shop knows: enough to try the desk, and what its quality is measured on. */
export const seedDocuments: readonly SeedDocument[] = [
  {
    documentId: "opening-hours",
    title: "Opening hours and address",
    type: "faq",
    content: `We are open Monday to Friday from 9:00 to 18:30, and Saturday from 10:00 to 14:00. We are closed on Sundays and public holidays.

The shop is at 12 Mill Lane, beside the post office. There are two parking places in front of the door, and the bus stop Mill Lane is a minute away.

You can drop off a device outside opening hours in the locker to the left of the door; the chat tells you the code.`,
  },
  {
    documentId: "screen-repair",
    title: "Screen repair",
    type: "article",
    content: `# Screen repair

A broken laptop screen costs between 140 and 320 euros, depending on the model, labour included. Phones are between 90 and 260 euros.

We have the panels of the most common models in stock and replace them on the same day when you come before noon. Others take three to five working days to arrive.

We use original panels where the maker sells them. You can ask for a compatible one, which is about a third cheaper and has the same guarantee.`,
  },
  {
    documentId: "battery",
    title: "Battery replacement",
    type: "article",
    content: `# Battery replacement

A new laptop battery costs 79 to 149 euros including labour and takes about an hour. Phone batteries cost 49 to 69 euros and take half an hour.

A swollen battery is dangerous: do not charge the device, do not press on it, and bring it to us at once. We dispose of old batteries free of charge.`,
  },
  {
    documentId: "liquid-damage",
    title: "Liquid damage",
    type: "article",
    content: `# Liquid damage

If you have spilled coffee, water or anything else over a computer: switch it off, unplug it, turn it upside down and do not switch it on again. Do not use a hair dryer and do not put it into rice.

Bring it within 24 hours. Cleaning costs 89 euros; two out of three devices work again afterwards. If the board is damaged we tell you what a repair would cost before we begin.`,
  },
  {
    documentId: "data-recovery",
    title: "Data recovery",
    type: "article",
    content: `# Data recovery

We recover photos and documents from hard disks, SSDs and memory cards. The analysis is free. Recovery of a disk with a logical fault costs 149 euros; a disk with a mechanical fault goes to a laboratory and costs 490 to 1,200 euros.

You pay only if we recover what you asked for. Please do not try to repair the disk with software before: every hour it runs can destroy more.`,
  },
  {
    documentId: "diagnosis",
    title: "Diagnosis fee",
    type: "policy",
    content: `The diagnosis is free when we do the repair. If you decide against the repair the diagnosis costs 29 euros. It takes one working day; an express diagnosis within two hours costs 25 euros more.`,
  },
  {
    documentId: "warranty",
    title: "Guarantee on repairs",
    type: "policy",
    content: `We give a guarantee of 12 months on every repair and on the parts that we have put in. Batteries have six months. The guarantee does not cover new damage by falls or liquids.

Keep the invoice: it is the proof of your guarantee. If a fault comes back we repair it free of charge, and first of all.`,
  },
  {
    documentId: "returns",
    title: "Returns and refunds",
    type: "policy",
    content: `You can return a device that you bought from us within 30 days if it is undamaged and complete. We refund the price within five working days to the card you paid with.

Software that has been activated and opened earphones cannot be returned.`,
  },
  {
    documentId: "pickup",
    title: "Pick-up and delivery",
    type: "faq",
    content: `We collect devices at your home within 15 kilometres for 15 euros and bring them back repaired at no extra cost. Business customers with a service contract do not pay for collection.

We write to you by SMS when your device is ready. Devices that are not picked up within 90 days are recycled after two reminders.`,
  },
  {
    documentId: "business",
    title: "Service contracts for companies",
    type: "article",
    content: `# Service contracts

Companies with five computers or more can have a service contract from 19 euros per computer and month. It includes remote help within two hours, a replacement device during repairs, and a yearly check of backups and updates.

The contract runs for a year and can be ended with a month's notice.`,
  },
  {
    documentId: "password",
    title: "Forgotten passwords",
    type: "faq",
    content: `If you have forgotten the password of your Windows or Mac account we can reset it in the shop for 35 euros. We need an identity card and the invoice of the device. We cannot open a disk that is encrypted without its recovery key.`,
  },
  {
    documentId: "payment",
    title: "Ways to pay",
    type: "faq",
    content: `You can pay in cash, by debit or credit card, or by invoice if you are a business customer. Repairs above 300 euros can be paid in three monthly instalments without interest.`,
  },
];

/** Questions as customers ask them, and the document that has the answer. */
export const seedQuestions: readonly { readonly question: string; readonly documentId: string }[] = [
  { question: "When are you open on Saturday?", documentId: "opening-hours" },
  { question: "Is there parking at the shop?", documentId: "opening-hours" },
  { question: "What does a broken laptop screen cost?", documentId: "screen-repair" },
  { question: "Do you use original panels?", documentId: "screen-repair" },
  { question: "How long does a new phone battery take?", documentId: "battery" },
  { question: "My battery is swollen, is that dangerous?", documentId: "battery" },
  { question: "I spilled coffee over my keyboard, should I use a hair dryer?", documentId: "liquid-damage" },
  { question: "Can you recover photos from a memory card?", documentId: "data-recovery" },
  { question: "What does the diagnosis cost if I decide against the repair?", documentId: "diagnosis" },
  { question: "How long is the guarantee on a repair?", documentId: "warranty" },
  { question: "Can I return a device that I bought within 30 days?", documentId: "returns" },
  { question: "Do you collect devices at home?", documentId: "pickup" },
  { question: "How will I know my device is ready?", documentId: "pickup" },
  { question: "What does a service contract for a company include?", documentId: "business" },
  { question: "I have forgotten my Windows password", documentId: "password" },
  { question: "Can I pay in instalments?", documentId: "payment" },
];
