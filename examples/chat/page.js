// The page of the chat example: one WebSocket, a list of lines, and five moving curves.

const POINTS = 120; // a minute, at two a second
const RECONNECT_MS = 1_000;

const element = (id) => document.getElementById(id);
const log = element('log');

const CURVES = [
  { name: 'connections', title: 'connections', digits: 0 },
  { name: 'messagesPerSecond', title: 'messages / s', digits: 1 },
  { name: 'eventsPerWait', title: 'events / wait', digits: 2 },
  { name: 'wakeUpsPerSecond', title: 'wake-ups / s', digits: 1 },
  { name: 'turnP99Us', title: 'turn time p99, µs', digits: 0 },
];

class Curve {
  constructor({ name, title, digits }) {
    this.name = name;
    this.digits = digits;
    this.points = [];
    const figure = document.createElement('figure');
    figure.className = 'curve';
    const caption = document.createElement('figcaption');
    const label = document.createElement('span');
    label.textContent = title;
    this.output = document.createElement('output');
    this.output.id = name;
    this.canvas = document.createElement('canvas');
    this.canvas.setAttribute('role', 'img');
    this.canvas.setAttribute('aria-label', `${title} of the last minute`);
    caption.append(label, this.output);
    figure.append(caption, this.canvas);
    element('curves').append(figure);
  }

  add(value) {
    this.points.push(value);
    if (this.points.length > POINTS) this.points.shift();
    this.output.value = value.toFixed(this.digits);
    this.draw();
  }

  draw() {
    const { canvas, points } = this;
    const scale = window.devicePixelRatio;
    const width = canvas.clientWidth;
    const height = canvas.clientHeight;
    canvas.width = width * scale;
    canvas.height = height * scale;
    const pen = canvas.getContext('2d');
    pen.scale(scale, scale);
    const top = Math.max(...points, 1) * 1.15;
    const x = (index) => width - ((points.length - 1 - index) * width) / (POINTS - 1);
    const y = (value) => height - 1 - (value / top) * (height - 4);
    pen.strokeStyle = getComputedStyle(canvas).color;
    pen.lineWidth = 1.5;
    pen.lineJoin = 'round';
    pen.beginPath();
    for (const [index, value] of points.entries()) pen.lineTo(x(index), y(value));
    pen.stroke();
    pen.lineTo(x(points.length - 1), height);
    pen.lineTo(x(0), height);
    pen.globalAlpha = 0.12;
    pen.fillStyle = pen.strokeStyle;
    pen.fill();
  }
}

const curves = CURVES.map((curve) => new Curve(curve));

/** Text goes in as text: no message becomes markup. */
function addLine(className, ...parts) {
  const line = document.createElement('li');
  line.className = className;
  line.append(...parts);
  log.append(line);
  log.scrollTop = log.scrollHeight;
}

function addSaid({ name, text }) {
  const who = document.createElement('b');
  who.textContent = `${name}: `;
  addLine('said', who, text);
}

function showPeople(people) {
  element('people').textContent =
    people.length > 0 ? `here: ${people.join(', ')}` : 'the room is empty';
}

const handlers = {
  welcome({ people, history }) {
    log.replaceChildren();
    history.forEach(addSaid);
    showPeople(people);
  },
  you({ name }) {
    element('join').hidden = true;
    element('say').hidden = false;
    element('state').textContent = `connected as ${name}`;
    element('text').focus();
  },
  joined({ name, people }) {
    addLine('note', `${name} has come`);
    showPeople(people);
  },
  left({ name, people }) {
    addLine('note', `${name} has gone`);
    showPeople(people);
  },
  said: addSaid,
  figures(figures) {
    for (const curve of curves) curve.add(figures[curve.name]);
  },
};

let socket;
let name = '';

function connect() {
  const scheme = location.protocol === 'https:' ? 'wss' : 'ws';
  socket = new WebSocket(`${scheme}://${location.host}/chat`);
  socket.onopen = () => {
    element('state').textContent = 'connected';
    if (name !== '') send({ type: 'join', name });
  };
  socket.onmessage = ({ data }) => {
    const message = JSON.parse(data);
    handlers[message.type]?.(message);
  };
  socket.onclose = ({ code, reason }) => {
    element('state').textContent = `disconnected (${code}${reason ? `: ${reason}` : ''})`;
    setTimeout(connect, RECONNECT_MS);
  };
}

function send(message) {
  if (socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify(message));
}

element('join').addEventListener('submit', (event) => {
  event.preventDefault();
  name = element('name').value.trim();
  if (name !== '') send({ type: 'join', name });
});

element('say').addEventListener('submit', (event) => {
  event.preventDefault();
  const text = element('text').value.trim();
  if (text !== '') send({ type: 'say', text });
  element('text').value = '';
});

connect();
