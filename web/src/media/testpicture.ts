const WIDTH = 320;
const HEIGHT = 240;
const FPS = 20;
/** So coarse that the first whole picture is a few kilobytes, so fine that it fills a megabit a second when it moves. */
const GRAIN = 4;

/**
 * A picture of moving noise: noise, because a test has to fill the link that a still scene would leave empty. It shows
 * nothing and nobody, and nobody is shown it.
 */
export class TestPicture {
  private readonly timer: ReturnType<typeof setInterval>;

  private constructor(
    readonly track: MediaStreamTrack,
    paint: () => void,
  ) {
    this.timer = setInterval(paint, 1000 / FPS);
  }

  /** Null where the browser cannot make a picture of a canvas. */
  static draw(): TestPicture | null {
    const canvas = document.createElement("canvas");
    if (!("captureStream" in canvas)) return null;
    canvas.width = WIDTH;
    canvas.height = HEIGHT;
    const context = canvas.getContext("2d");
    const noise = grains();
    const track = canvas.captureStream(FPS).getVideoTracks()[0];
    if (!context || !noise || !track) return null;
    context.imageSmoothingEnabled = false;
    const paint = () => {
      // One stored sheet of noise, laid somewhere else each time: new to the encoder, nearly free to draw.
      const x = Math.floor(Math.random() * WIDTH);
      const y = Math.floor(Math.random() * HEIGHT);
      context.drawImage(noise, x - WIDTH, y - HEIGHT, WIDTH * 2, HEIGHT * 2);
    };
    paint();
    return new TestPicture(track, paint);
  }

  stop(): void {
    clearInterval(this.timer);
    this.track.stop();
  }
}

function grains(): HTMLCanvasElement | null {
  const sheet = document.createElement("canvas");
  sheet.width = (WIDTH * 2) / GRAIN;
  sheet.height = (HEIGHT * 2) / GRAIN;
  const context = sheet.getContext("2d");
  if (!context) return null;
  const image = context.createImageData(sheet.width, sheet.height);
  for (let at = 0; at < image.data.length; at += 4) {
    image.data.fill(96 + Math.floor(Math.random() * 64), at, at + 3);
    image.data[at + 3] = 255;
  }
  context.putImageData(image, 0, 0);
  return sheet;
}
