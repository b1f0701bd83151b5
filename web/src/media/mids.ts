/** Own audio and video go up, and the first other participant comes down, in the first two m-lines of every offer. */
export const OWN_AUDIO_MID = "0";
export const OWN_VIDEO_MID = "1";
