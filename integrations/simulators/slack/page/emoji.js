// The emoji that operations people write by name; any other :name: stays as it was written.

const LIST = `
white_check_mark ✅ heavy_check_mark ✔️ ballot_box_with_check ☑️ x ❌ negative_squared_cross_mark ❎ warning ⚠️ no_entry ⛔
no_entry_sign 🚫 octagonal_sign 🛑 rotating_light 🚨 exclamation ❗ question ❓ information_source ℹ️ bulb 💡 bell 🔔
hourglass ⌛ hourglass_flowing_sand ⏳ stopwatch ⏱️ alarm_clock ⏰ clock1 🕐 calendar 📆 date 📅
arrow_forward ▶️ arrow_backward ◀️ arrow_up ⬆️ arrow_down ⬇️ arrow_right ➡️ arrow_left ⬅️ fast_forward ⏩ rewind ⏪
black_square_for_stop ⏹️ double_vertical_bar ⏸️ repeat 🔁 arrows_counterclockwise 🔄 recycle ♻️ leftwards_arrow_with_hook ↩️
white_circle ⚪ black_circle ⚫ red_circle 🔴 large_blue_circle 🔵 large_green_circle 🟢 large_yellow_circle 🟡
large_orange_circle 🟠 large_purple_circle 🟣 white_square_button 🔳 small_blue_diamond 🔹 small_orange_diamond 🔸
rocket 🚀 lock 🔒 unlock 🔓 closed_lock_with_key 🔐 key 🔑 shield 🛡️ wrench 🔧 hammer 🔨 hammer_and_wrench 🛠️ gear ⚙️
package 📦 file_folder 📁 open_file_folder 📂 card_index_dividers 🗂️ wastebasket 🗑️ floppy_disk 💾 cd 💿 computer 💻
desktop_computer 🖥️ cloud ☁️ sunny ☀️ partly_sunny ⛅ umbrella ☔ zap ⚡ fire 🔥 boom 💥 ocean 🌊 snowflake ❄️ rainbow 🌈
chart_with_upwards_trend 📈 chart_with_downwards_trend 📉 bar_chart 📊 clipboard 📋 memo 📝 pencil 📝 pencil2 ✏️
mag 🔍 mag_right 🔎 link 🔗 paperclip 📎 pushpin 📌 round_pushpin 📍 bookmark 🔖 label 🏷️ moneybag 💰 dollar 💵
email ✉️ envelope ✉️ inbox_tray 📥 outbox_tray 📤 speech_balloon 💬 thought_balloon 💭 loudspeaker 📢 mega 📣
wave 👋 ok_hand 👌 thumbsup 👍 +1 👍 thumbsdown 👎 -1 👎 clap 👏 raised_hands 🙌 pray 🙏 muscle 💪 point_right 👉
point_left 👈 point_up ☝️ point_down 👇 eyes 👀 raised_hand ✋ hand ✋ busts_in_silhouette 👥 bust_in_silhouette 👤
robot_face 🤖 smile 😄 smiley 😃 grinning 😀 slightly_smiling_face 🙂 wink 😉 joy 😂 thinking_face 🤔 cry 😢 sob 😭
scream 😱 sunglasses 😎 sweat_smile 😅 neutral_face 😐 confused 😕 tada 🎉 sparkles ✨ star ⭐ star2 🌟 heart ❤️
100 💯 checkered_flag 🏁 construction 🚧 ghost 👻 skull 💀 bug 🐛 turtle 🐢 snail 🐌 coffee ☕ beer 🍺 pizza 🍕 cake 🍰
zzz 💤 heavy_plus_sign ➕ heavy_minus_sign ➖ one 1️⃣ two 2️⃣ three 3️⃣ four 4️⃣ five 5️⃣ new 🆕 ok 🆗 cool 🆒 sos 🆘 top 🔝
`;
const KNOWN = new Map();
const words = LIST.trim().split(/\s+/);
for (let at = 0; at < words.length; at += 2) KNOWN.set(words[at], words[at + 1]);

export function emojify(text) {
  return text.replace(/:([a-z0-9_+'-]+)(?:::skin-tone-[2-6])?:/g, (whole, name) => KNOWN.get(name) ?? whole);
}

export const emoji = (name) => KNOWN.get(name) ?? `:${name}:`;
