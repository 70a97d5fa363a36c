export {
  mdiAlertOutline as iconWarning,
  mdiCheck as iconCheck,
  mdiChevronDown as iconDown,
  mdiChevronUp as iconUp,
  mdiCogOutline as iconSettings,
  mdiContentCopy as iconCopy,
  mdiFormatListBulleted as iconDevices,
  mdiInformationOutline as iconInfo,
  mdiMagnify as iconSearch,
} from "@mdi/js";
