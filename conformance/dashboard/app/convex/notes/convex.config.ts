import { defineComponent } from "convex/server";

const notes = defineComponent("notes");

export default notes;
