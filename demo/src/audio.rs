//! The mixer thread: 48 kHz stereo in packets of 10 ms, at its own rate, whatever the frames do.

use std::f32::consts::TAU;
use std::sync::mpsc::{self, Receiver, Sender, TryRecvError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::Error;
use crate::random::Random;
use crate::workers;
use crate::world::{HALF_MAP, Impact};
use framelake::{metric, span};

const SAMPLE_RATE: f32 = 48_000.0;
/// 10 ms at 48 kHz.
const PACKET_SAMPLES: usize = 480;
const PACKET: Duration = Duration::from_millis(10);
/// More voices than this are not heard apart; the quietest gives way.
const VOICES_MAX: usize = 12;

/// The mixer thread, seen from the game.
pub(crate) struct Audio {
    blows: Option<Sender<Impact>>,
    thread: Option<JoinHandle<()>>,
}

impl Audio {
    pub(crate) fn start() -> Result<Self, Error> {
        let (blows, heard) = mpsc::channel();
        let thread = workers::spawn("audio", move || mix_until_closed(&heard))?;
        Ok(Self { blows: Some(blows), thread: Some(thread) })
    }

    /// Plays the sound of a blow.
    pub(crate) fn play(&self, blow: Impact) {
        if let Some(blows) = &self.blows {
            // Without the mixer the game goes on in silence.
            let _ = blows.send(blow);
        }
    }
}

impl Drop for Audio {
    fn drop(&mut self) {
        self.blows = None;
        workers::join(self.thread.take());
    }
}

/// A struck stone: a falling sine and filtered noise, both dying away.
struct Voice {
    phase: f32,
    pitch: f32,
    loudness: f32,
    left: f32,
    right: f32,
    lowpass: f32,
    noise: Random,
}

impl Voice {
    fn strike(blow: &Impact) -> Self {
        let side = (blow.at.x / HALF_MAP).clamp(-1.0, 1.0);
        let loudness = (blow.impulse / 1_000.0).clamp(0.05, 1.0);
        Self {
            phase: 0.0,
            pitch: 60.0 + 200.0 * (1.0 - loudness),
            loudness,
            left: ((1.0 - side) / 2.0).sqrt(),
            right: ((1.0 + side) / 2.0).sqrt(),
            lowpass: 0.0,
            noise: Random::new(u64::from(blow.impulse.to_bits())),
        }
    }

    fn render(&mut self, packet: &mut [[f32; 2]]) {
        span!("mix_voice");
        for sample in packet {
            self.phase = (self.phase + self.pitch / SAMPLE_RATE).fract();
            self.lowpass += 0.08 * (self.noise.between(-1.0, 1.0) - self.lowpass);
            let sound = self.loudness * (0.6 * (self.phase * TAU).sin() + 0.8 * self.lowpass);
            sample[0] += sound * self.left;
            sample[1] += sound * self.right;
            // Half of it is gone after 0.15 s: 0.5^(1 / 7200).
            self.loudness *= 0.999_904;
        }
        self.pitch *= 0.998;
    }
}

fn mix_until_closed(blows: &Receiver<Impact>) {
    let mut voices = Vec::new();
    let mut packet = [[0.0f32; 2]; PACKET_SAMPLES];
    let mut due = Instant::now();
    loop {
        loop {
            match blows.try_recv() {
                Ok(blow) => start_voice(&mut voices, Voice::strike(&blow)),
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => return,
            }
        }
        let peak = mix(&mut voices, &mut packet);
        metric!("audio_voices", "1", voices.len() as u64);
        metric!("audio_peak", "1", f64::from(peak));
        due = (due + PACKET).max(Instant::now() - PACKET);
        thread::sleep(due.saturating_duration_since(Instant::now()));
    }
}

fn start_voice(voices: &mut Vec<Voice>, voice: Voice) {
    if voices.len() == VOICES_MAX {
        voices.sort_by(|one, other| other.loudness.total_cmp(&one.loudness));
        voices.pop();
    }
    voices.push(voice);
}

/// Mixes one packet and returns its peak, at most 1.
fn mix(voices: &mut Vec<Voice>, packet: &mut [[f32; 2]]) -> f32 {
    span!("mix_packet");
    packet.fill([0.0; 2]);
    for voice in voices.iter_mut() {
        voice.render(packet);
    }
    voices.retain(|voice| voice.loudness > 0.01);
    limit(packet)
}

fn limit(packet: &mut [[f32; 2]]) -> f32 {
    span!("limit");
    let mut peak = 0.0f32;
    for sample in packet.as_flattened_mut() {
        *sample = sample.tanh();
        peak = peak.max(sample.abs());
    }
    peak
}
