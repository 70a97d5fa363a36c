export {
  mdiAlertOutline as iconWarning,
  mdiCheck as iconCheck,
  mdiChevronDown as iconDown,
  mdiChevronLeft as iconBack,
  mdiChevronRight as iconForward,
  mdiChevronUp as iconUp,
  mdiClose as iconClose,
  mdiCogOutline as iconSettings,
  mdiContentCopy as iconCopy,
  mdiFormatListBulleted as iconDevices,
  mdiMagnify as iconSearch,
} from "@mdi/js";
